#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/isa_lines.h>
#include <muster/vmm/device/pic_pair.h>

namespace muster::vmm {
namespace {

// The two, as a kernel sets them up: vectors from 0x20 and 0x28, nothing masked.
struct Bench : IrqSink {
  explicit Bench(uint8_t icw4 = 0x01) {
    const uint8_t master[] = {0x20, 0x04, icw4}, slave[] = {0x28, 0x02, icw4};
    pics.master().Write(0, 1, 0x11);
    pics.slave().Write(0, 1, 0x11);
    for (int i = 0; i < 3; ++i) {
      pics.master().Write(1, 1, master[i]);
      pics.slave().Write(1, 1, slave[i]);
    }
    pics.master().Write(1, 1, 0);
    pics.slave().Write(1, 1, 0);
  }
  void SetLine(unsigned line, bool asserted) override {
    CHECK(line == 0);
    pin += asserted ? "+" : "-";
  }
  void IntrRaised() override { ++rises; }

  void Up(unsigned irq) { pics.SetLine(irq, true); }
  void Down(unsigned irq) { pics.SetLine(irq, false); }
  void Edge(unsigned irq) {
    Down(irq);
    Up(irq);
  }
  // The vector; 0 where INTR is low.
  int Take() { return pics.Asserted() ? pics.Acknowledge() : 0; }
  void EoiMaster(uint8_t ocw2 = 0x20) { pics.master().Write(0, 1, ocw2); }
  void EoiSlave(uint8_t ocw2 = 0x20) { pics.slave().Write(0, 1, ocw2); }
  uint32_t Irr(PortDevice& chip) {
    chip.Write(0, 1, 0x0a);
    return chip.Read(0, 1);
  }
  uint32_t Isr(PortDevice& chip) {
    chip.Write(0, 1, 0x0b);
    return chip.Read(0, 1);
  }

  std::string pin;  // what pin 0 of the I/O APIC saw
  int rises = 0;
  PicPair pics{*this};
  struct Pins : IrqSink {
    void SetLine(unsigned line, bool asserted) override {
      log += std::to_string(line) + (asserted ? "+ " : "- ");
    }
    std::string log;
  } pins;
  IsaLines lines{pics, pins};
};

TEST_CASE("as firmware leaves them the 8259s mask every line") {
  struct Quiet : IrqSink {
    void SetLine(unsigned, bool) override { FAIL("the pin moved"); }
    void IntrRaised() override { FAIL("INTR rose"); }
  } quiet;
  PicPair pics(quiet);
  CHECK(pics.master().Read(1, 1) == 0xff);
  CHECK(pics.slave().Read(1, 1) == 0xff);
  for (unsigned irq = 0; irq < 16; ++irq) pics.SetLine(irq, true);
  CHECK_FALSE(pics.Asserted());
}

TEST_CASE(
    "after initialisation each line has its vector, those of the second 8259 through input 2") {
  Bench bench;
  for (unsigned irq = 0; irq < 16; ++irq) {
    if (irq == 2) continue;
    bench.Up(irq);
    CHECK(bench.Take() == static_cast<int>(0x20 + irq));
    CHECK(bench.Take() == 0);
    CHECK(bench.Isr(bench.pics.master()) == (irq < 8 ? 1u << irq : 4u));
    CHECK(bench.Isr(bench.pics.slave()) == (irq < 8 ? 0 : 1u << (irq - 8)));
    if (irq >= 8) bench.EoiSlave();
    bench.EoiMaster();
    bench.Down(irq);
    CHECK(bench.Isr(bench.pics.master()) == 0);
  }
  CHECK(bench.rises == 15);
}

TEST_CASE("input 2 of the first 8259 is the second's, and no line moves it") {
  Bench bench;
  bench.Up(2);
  CHECK(bench.Take() == 0);
  bench.pics.SetLine(16, true);
  CHECK(bench.Take() == 0);
}

TEST_CASE("an interrupt in service holds off its own line and lower ones, not higher ones") {
  Bench bench;
  bench.Up(4);
  CHECK(bench.Take() == 0x24);
  bench.Edge(4);
  bench.Up(6);
  CHECK(bench.Take() == 0);
  bench.Up(1);
  CHECK(bench.Take() == 0x21);
  bench.EoiMaster();
  CHECK(bench.Take() == 0);
  bench.EoiMaster();
  CHECK(bench.Take() == 0x24);
  bench.EoiMaster();
  CHECK(bench.Take() == 0x26);
}

TEST_CASE("an edge is taken once however long it stays, a level for as long as it stays") {
  Bench bench;
  bench.pics.elcr().Write(0, 1, 0x20);
  bench.Up(5);
  bench.Up(3);
  CHECK(bench.Take() == 0x23);
  bench.EoiMaster();
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.Take() == 0x25);
    bench.EoiMaster();
  }
  bench.Down(5);
  CHECK(bench.Take() == 0);
}

TEST_CASE("a line is made a level while it is high, and requests") {
  Bench bench;
  bench.Up(11);
  CHECK(bench.Take() == 0x2b);
  bench.EoiSlave();
  bench.EoiMaster();
  CHECK(bench.Take() == 0);
  bench.pics.elcr().Write(1, 1, 0x08);
  CHECK(bench.Take() == 0x2b);
}

TEST_CASE("the timer, the keyboard, the clock and the coprocessor cannot be made levels") {
  Bench bench;
  bench.pics.elcr().Write(0, 1, 0xff);
  bench.pics.elcr().Write(1, 1, 0xff);
  CHECK(bench.pics.elcr().Read(0, 1) == 0xf8);
  CHECK(bench.pics.elcr().Read(1, 1) == 0xde);
}

TEST_CASE("a request that has gone gives the spurious vector 7, which is not in service") {
  Bench bench;
  bench.Up(3);
  bench.Down(3);
  CHECK_FALSE(bench.pics.Asserted());
  CHECK(bench.pics.Acknowledge() == 0x27);
  CHECK(bench.Isr(bench.pics.master()) == 0);
  bench.Up(4);
  bench.pics.master().Write(1, 1, 0x10);  // masked before it was taken
  CHECK(bench.pics.Acknowledge() == 0x27);
}

TEST_CASE("a request of the second 8259 that has gone is the first one's spurious vector") {
  Bench bench;
  bench.Up(9);
  REQUIRE(bench.pics.Asserted());
  bench.Down(9);
  CHECK_FALSE(bench.pics.Asserted());
  CHECK(bench.pics.Acknowledge() == 0x27);
  CHECK(bench.Isr(bench.pics.slave()) == 0);
}

TEST_CASE("a second request of the second 8259 is not lost behind the first") {
  Bench bench;
  bench.Up(12);
  bench.Up(14);
  CHECK(bench.Take() == 0x2c);
  bench.EoiSlave();
  bench.EoiMaster();
  CHECK(bench.Take() == 0x2e);
  // One of higher priority waits for the first 8259, which sees input 2 in service.
  bench.Up(8);
  CHECK(bench.Take() == 0);
  bench.EoiMaster();
  CHECK(bench.Take() == 0x28);
}

TEST_CASE("in special fully nested mode the second 8259 interrupts itself") {
  Bench bench(0x11);
  bench.Up(14);
  CHECK(bench.Take() == 0x2e);
  bench.Up(8);
  CHECK(bench.Take() == 0x28);
  bench.Up(15);
  CHECK(bench.Take() == 0);
}

TEST_CASE("automatic EOI leaves nothing in service, and may rotate") {
  Bench bench(0x03);
  bench.Up(0);
  CHECK(bench.Take() == 0x20);
  CHECK(bench.Isr(bench.pics.master()) == 0);
  bench.EoiMaster(0x80);
  bench.Edge(0);
  CHECK(bench.Take() == 0x20);
  bench.Edge(0);
  bench.Up(1);
  CHECK(bench.Take() == 0x21);  // 0 has become the lowest
  bench.EoiMaster(0x00);
  bench.Edge(1);
  CHECK(bench.Take() == 0x20);
  CHECK(bench.Take() == 0x21);
}

TEST_CASE("priorities rotate with an EOI, or are set") {
  Bench bench;
  bench.Up(3);
  CHECK(bench.Take() == 0x23);
  bench.EoiMaster(0xa0);  // rotate on non-specific EOI
  bench.Edge(3);
  bench.Up(4);
  bench.Up(1);
  CHECK(bench.Take() == 0x24);
  bench.EoiMaster(0xe4);  // rotate on specific EOI
  CHECK(bench.Take() == 0x21);
  bench.EoiMaster();
  CHECK(bench.Take() == 0x23);
  bench.EoiMaster();
  bench.EoiMaster(0xc6);  // 7 the highest, 6 the lowest
  bench.Edge(7);
  bench.Edge(0);
  CHECK(bench.Take() == 0x27);
  bench.EoiMaster();
  CHECK(bench.Take() == 0x20);
}

TEST_CASE("a specific EOI ends the one that it names, a non-specific one the highest") {
  Bench bench;
  bench.Up(5);
  CHECK(bench.Take() == 0x25);
  bench.Up(1);
  CHECK(bench.Take() == 0x21);
  bench.EoiMaster(0x65);
  CHECK(bench.Isr(bench.pics.master()) == 0x02);
  bench.EoiMaster(0x40);  // no operation
  CHECK(bench.Isr(bench.pics.master()) == 0x02);
  bench.EoiMaster();
  CHECK(bench.Isr(bench.pics.master()) == 0);
  bench.EoiMaster();
  bench.EoiMaster(0xa0);
  bench.Up(0);
  CHECK(bench.Take() == 0x20);
}

TEST_CASE("under a special mask what is in service and masked holds nobody off, nor is it ended") {
  Bench bench;
  bench.Up(2 + 2);
  CHECK(bench.Take() == 0x24);
  bench.Up(6);
  CHECK(bench.Take() == 0);
  bench.pics.master().Write(1, 1, 0x10);
  CHECK(bench.Take() == 0);
  bench.pics.master().Write(0, 1, 0x68);
  CHECK(bench.Take() == 0x26);
  bench.EoiMaster();
  CHECK(bench.Isr(bench.pics.master()) == 0x10);
  bench.EoiMaster();
  CHECK(bench.Isr(bench.pics.master()) == 0x10);
  bench.pics.master().Write(0, 1, 0x48);
  bench.Edge(6);
  CHECK(bench.Take() == 0);
}

TEST_CASE("a poll acknowledges by the next read, and says that there was nothing") {
  Bench bench;
  bench.pics.master().Write(0, 1, 0x0c);
  CHECK((bench.pics.master().Read(0, 1) & 0x80) == 0);
  bench.Up(13);
  bench.pics.master().Write(0, 1, 0x0c);
  CHECK(bench.pics.master().Read(0, 1) == 0x82);
  bench.pics.slave().Write(0, 1, 0x0c);
  CHECK(bench.pics.slave().Read(1, 1) == 0x85);  // either port
  CHECK_FALSE(bench.pics.Asserted());
  CHECK(bench.Isr(bench.pics.slave()) == 0x20);
  CHECK(bench.pics.slave().Read(1, 1) == 0);  // IMR again
}

TEST_CASE("a read between the reads of a poll gives IRR or ISR as was chosen") {
  Bench bench;
  bench.Up(4);
  CHECK(bench.Take() == 0x24);
  bench.Up(6);
  CHECK(bench.Isr(bench.pics.master()) == 0x10);
  bench.EoiMaster(0x00);
  CHECK(bench.pics.master().Read(0, 1) == 0x10);  // OCW2 does not change the choice
  CHECK(bench.Irr(bench.pics.master()) == 0x40);
}

TEST_CASE("ICW1 forgets edges, service, masks, priorities and modes") {
  Bench bench(0x03);
  bench.pics.master().Write(0, 1, 0x68);
  bench.EoiMaster(0xc3);
  bench.Up(5);
  bench.pics.master().Write(1, 1, 0xff);
  bench.pics.master().Write(0, 1, 0x13);  // single, ICW4
  CHECK(bench.pics.master().Read(1, 1) == 0);
  CHECK(bench.Irr(bench.pics.master()) == 0);
  bench.pics.master().Write(1, 1, 0x47);
  bench.pics.master().Write(1, 1, 0x01);
  bench.pics.master().Write(1, 1, 0x00);
  CHECK(bench.Take() == 0);
  bench.Edge(5);
  CHECK(bench.Take() == 0x45);
  CHECK(bench.Isr(bench.pics.master()) == 0x20);  // no automatic EOI
}

TEST_CASE("without ICW4 the word after the vectors, or the wiring, is a mask") {
  Bench bench;
  bench.pics.slave().Write(0, 1, 0x10);
  bench.pics.slave().Write(1, 1, 0x30);
  bench.pics.slave().Write(1, 1, 0x02);
  bench.pics.slave().Write(1, 1, 0xa5);
  CHECK(bench.pics.slave().Read(1, 1) == 0xa5);
  bench.pics.slave().Write(0, 1, 0x12);
  bench.pics.slave().Write(1, 1, 0x30);
  bench.pics.slave().Write(1, 1, 0x5a);
  CHECK(bench.pics.slave().Read(1, 1) == 0x5a);
}

TEST_CASE("pin 0 of the I/O APIC sees an edge for each request that is left after an acknowledge") {
  Bench bench;
  bench.Up(1);
  bench.Up(0);
  CHECK(bench.pin == "+");
  CHECK(bench.Take() == 0x20);
  CHECK(bench.pin == "+-");
  bench.EoiMaster();
  CHECK(bench.pin == "+-+");
  CHECK(bench.rises == 2);
  Bench automatic(0x03);
  automatic.Up(1);
  automatic.Up(0);
  CHECK(automatic.Take() == 0x20);
  CHECK(automatic.pin == "+-+");
  CHECK(automatic.rises == 1);  // LINT0 has a level
}

TEST_CASE("a pulse does not take back a request that waits, and is one where it was taken") {
  Bench bench;
  IrqLine line(bench.lines, 0);
  const auto pulse = [&] {
    line.Want(false);
    line.Want(true);
    line.Drive();
  };
  line.Want(true);
  line.Drive();
  pulse();
  CHECK(bench.pin == "+");
  CHECK(bench.rises == 1);
  CHECK(bench.Take() == 0x20);
  bench.EoiMaster();
  CHECK(bench.Take() == 0);
  pulse();
  CHECK(bench.Take() == 0x20);
  CHECK(bench.pins.log == "2+ 2- 2+ 2- 2+ ");
}

TEST_CASE("an image that is started again finds the 8259s as firmware leaves them") {
  Bench bench;
  bench.pics.elcr().Write(0, 1, 0x20);
  bench.Up(5);
  CHECK(bench.pics.Asserted());
  bench.pics.AsFirmwareLeaves();
  CHECK_FALSE(bench.pics.Asserted());
  CHECK(bench.pics.master().Read(1, 1) == 0xff);
  CHECK(bench.pics.elcr().Read(0, 1) == 0);
}

TEST_CASE("the board's lines reach the 8259s and the pins, the timer's pin 2") {
  Bench bench;
  IsaLines& lines = bench.lines;
  lines.SetLine(0, true);
  CHECK(bench.Take() == 0x20);
  bench.EoiMaster();
  lines.SetLine(10, true);
  CHECK(bench.Take() == 0x2a);
  lines.SetLine(20, true);
  CHECK(bench.Take() == 0);
  CHECK(bench.pins.log == "2+ 10+ 20+ ");
}

}  // namespace
}  // namespace muster::vmm
