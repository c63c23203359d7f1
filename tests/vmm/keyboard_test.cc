// The keyboard controller, and what is behind it.

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vmm/device/i8042.h>

#include "first_ending.h"

namespace muster::vmm {
namespace {

// The keyboard controller with its line.
struct Keyboard : IrqSink {
  void SetLine(unsigned number, bool asserted) override {
    CHECK(number == 1);
    line += asserted ? "+" : "-";
  }
  // What it has to say; -1 where it says nothing.
  int Next() {
    if ((i8042.command().Read(0, 1) & 1) == 0) return -1;
    return static_cast<int>(i8042.data().Read(0, 1));
  }
  std::vector<int> All() {
    std::vector<int> all;
    for (int next = Next(); next >= 0; next = Next()) all.push_back(next);
    return all;
  }
  void Command(uint8_t value) { i8042.command().Write(0, 1, value); }
  void Data(uint8_t value) { i8042.data().Write(0, 1, value); }

  std::string line;
  FirstEnding control;
  I8042 i8042{control, *this};
};

TEST_CASE("the keyboard controller answers at once all that a kernel's probe waits for") {
  Keyboard keyboard;
  CHECK(keyboard.Next() == -1);
  CHECK((keyboard.i8042.command().Read(0, 1) & 2) == 0);  // it takes commands
  keyboard.Command(0xaa);
  CHECK(keyboard.Next() == 0x55);
  keyboard.Command(0x20);
  CHECK(keyboard.Next() == 0x74);
  keyboard.Command(0x60);
  keyboard.Data(0x30);
  keyboard.Command(0xae);
  keyboard.Command(0x20);
  CHECK(keyboard.Next() == 0x20);
  keyboard.Command(0xab);
  CHECK(keyboard.Next() == 0);
  keyboard.Command(0xd0);
  CHECK((keyboard.Next() & 3) == 3);  // no reset, A20
  CHECK(keyboard.All().empty());
}

TEST_CASE("the keyboard controller's second port is found missing without a wait") {
  Keyboard keyboard;
  keyboard.Command(0xd3);
  keyboard.Data(0x5a);
  CHECK((keyboard.i8042.command().Read(0, 1) & 0x21) == 0x01);  // not of the second port
  CHECK(keyboard.Next() == 0x5a);
  keyboard.Command(0xa9);
  CHECK(keyboard.Next() == 1);
  keyboard.Command(0xd4);
  keyboard.Data(0xf2);
  CHECK(keyboard.Next() == -1);
}

TEST_CASE("the keyboard acknowledges, names itself and passes its test") {
  using Bytes = std::vector<int>;
  Keyboard keyboard;
  keyboard.Data(0xff);
  CHECK(keyboard.All() == Bytes{0xfa, 0xaa});
  keyboard.Data(0xf2);
  CHECK(keyboard.All() == Bytes{0xfa, 0xab, 0x83});
  keyboard.Data(0xed);
  keyboard.Data(0xf2);  // its parameter
  CHECK(keyboard.All() == Bytes{0xfa, 0xfa});
  keyboard.Data(0xf0);
  keyboard.Data(0);
  CHECK(keyboard.All() == Bytes{0xfa, 0xfa, 2});
  keyboard.Data(0xee);
  CHECK(keyboard.All() == Bytes{0xee});
}

TEST_CASE("each byte of the keyboard's is an edge of IRQ 1 where that is enabled") {
  Keyboard keyboard;
  keyboard.Data(0xf4);
  CHECK(keyboard.line == "");
  keyboard.All();
  keyboard.Command(0x60);
  keyboard.Data(0x45);
  keyboard.Data(0xf2);
  CHECK(keyboard.line == "+");
  keyboard.Next();
  CHECK(keyboard.line == "+-+");
  keyboard.All();
  CHECK(keyboard.line == "+-+-+-");
}

TEST_CASE("a guest that does not read what the keyboard says cannot make it grow") {
  Keyboard keyboard;
  for (int i = 0; i < 1'000; ++i) keyboard.Data(0xf2);
  CHECK(keyboard.All().size() == 16);
  keyboard.Data(0xee);
  CHECK(keyboard.Next() == 0xee);
  keyboard.Data(0xee);
  keyboard.i8042.AsFirmwareLeaves();
  CHECK(keyboard.Next() == -1);
}

}  // namespace
}  // namespace muster::vmm
