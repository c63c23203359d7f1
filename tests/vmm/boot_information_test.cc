// What the loader tells the guest: command line, initrd, memory map, and where that lies.

#include <catch2/catch.hpp>

#include <muster/vmm/load/load_image.h>

#include "elf_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using testing::ElfBuilder;
using testing::GoodImage;
using testing::Info;
using testing::Load;
using testing::Peek;
using testing::PeekString;
using testing::Ram;

TEST_CASE("the command line is the image's name and the arguments") {
  const std::vector<uint8_t> bytes = GoodImage().Build();
  GuestMemory memory = Ram();
  const auto loaded = LoadImage({ImageBytes("some/img", bytes), "a=1 b", std::nullopt}, memory);
  REQUIRE(loaded.ok());
  CHECK(PeekString(memory, Info(memory, loaded->start.rbx, 4)) == "some/img a=1 b");
  CHECK(PeekString(memory, Info(memory, loaded->start.rbx, 16)) == "muster");
}

TEST_CASE("an initrd is the one Multiboot module, on a page after the image") {
  const std::vector<uint8_t> bytes = GoodImage().Build(), initrd(5000, 0x5a);
  GuestMemory memory = Ram();
  const auto loaded = LoadImage({ImageBytes("img", bytes), "", ImageBytes("disk", initrd)}, memory);
  REQUIRE(loaded.ok());
  const uint64_t rbx = loaded->start.rbx;
  CHECK((Info(memory, rbx, 0) & 8) != 0);
  REQUIRE(Info(memory, rbx, 5) == 1);
  const uint32_t module = Info(memory, rbx, 6);
  const auto start = Peek<uint32_t>(memory, module), end = Peek<uint32_t>(memory, module + 4);
  CHECK(start % 4096 == 0);
  CHECK(start >= 0x105000);
  CHECK(end - start == 5000);
  CHECK(Peek<uint8_t>(memory, end - 1) == 0x5a);
  CHECK(PeekString(memory, Peek<uint32_t>(memory, module + 8)) == "disk");
}

TEST_CASE("the memory map holds all RAM, below the hole and above") {
  const std::vector<uint8_t> bytes = GoodImage().Build();
  GuestMemory memory = Ram(uint64_t{5} << 30);
  const auto loaded = Load(bytes, memory);
  REQUIRE(loaded.ok());
  const uint64_t rbx = loaded->start.rbx;
  CHECK(Info(memory, rbx, 1) == 639);
  CHECK(Info(memory, rbx, 2) == 3 * 1024 * 1024 - 1024);
  uint64_t available = 0;
  uint64_t previous_end = 0;
  const uint32_t map = Info(memory, rbx, 12), length = Info(memory, rbx, 11);
  for (uint32_t at = map; at < map + length; at += Peek<uint32_t>(memory, at) + 4) {
    const auto base = Peek<uint64_t>(memory, at + 4), size = Peek<uint64_t>(memory, at + 12);
    CHECK(base >= previous_end);
    previous_end = base + size;
    if (Peek<uint32_t>(memory, at + 20) == 1) available += size;
  }
  CHECK(available == (uint64_t{5} << 30) - (0x100000 - 0x9fc00));
  CHECK(previous_end == uint64_t{6} << 30);
}

TEST_CASE("the boot information keeps clear of an image that lies where it would go") {
  ElfBuilder image = GoodImage();
  image.segments[1] = {.address = 0x8000, .bytes = {1}, .memory_size = 0x4000};
  GuestMemory memory = Ram();
  const auto loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.rbx == 0xc000);
}

TEST_CASE("boot information keeps clear of the firmware's memory below 1 MiB") {
  GuestMemory memory = Ram();
  const std::vector<uint8_t> bytes(16, 0x90), initrd(512 * 1024, 1);
  const auto loaded = LoadImage({.image = ImageBytes("img", bytes),
                                 .arguments = {},
                                 .initrd = ImageBytes("disk", initrd),
                                 .flat = 0x7c00},
                                memory);
  REQUIRE(loaded.ok());
  const uint32_t module = Info(memory, loaded->start.rbx, 6);
  const auto start = Peek<uint32_t>(memory, module), end = Peek<uint32_t>(memory, module + 4);
  CHECK((end <= 0x9fc00 || start >= 0x100000));
  const std::vector<uint8_t> larger(700 * 1024, 1);
  const auto above = LoadImage({.image = ImageBytes("img", bytes),
                                .arguments = {},
                                .initrd = ImageBytes("disk", larger),
                                .flat = 0x7c00},
                               memory);
  REQUIRE(above.ok());
  CHECK(Peek<uint32_t>(memory, Info(memory, above->start.rbx, 6)) == 0x100000);
}

}  // namespace
}  // namespace muster::vmm
