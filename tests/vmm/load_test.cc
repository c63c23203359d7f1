// How a vCPU starts in each kind of image.

#include <catch2/catch.hpp>

#include <muster/vmm/load/load_image.h>

#include "elf_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using testing::ElfBuilder;
using testing::GoodImage;
using testing::Info;
using testing::kRam;
using testing::Load;
using testing::Peek;
using testing::PeekString;
using testing::Ram;
using testing::Refusal;
using Mode = vcpu::StartState::Mode;

TEST_CASE("an ELF32 with a Multiboot header starts as Multiboot says") {
  GuestMemory memory = Ram();
  const auto loaded = Load(GoodImage().Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->format == "ELF32 with a Multiboot header");
  CHECK(loaded->start.mode == Mode::kProtected32);
  CHECK(loaded->start.rip == 0x10000c);
  CHECK(loaded->start.rax == 0x2badb002);
  CHECK(Peek<uint32_t>(memory, 0x10000c) == 0xfdebf4fa);
  CHECK(Peek<uint32_t>(memory, 0x102000) == 0x04030201);
}

TEST_CASE("an ELF32 without a Multiboot header starts the same way") {
  ElfBuilder image = GoodImage();
  image.segments[0].bytes.assign(16, 0xf4);
  GuestMemory memory = Ram();
  const auto loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->format == "ELF32");
  CHECK(loaded->start.mode == Mode::kProtected32);
  CHECK(loaded->start.rax == 0x2badb002);
  CHECK(Info(memory, loaded->start.rbx, 0) == 0x245);  // memory, command line, map, loader name
}

TEST_CASE("an ELF64 with a Multiboot header starts in 32-bit mode, one without in 64-bit mode") {
  ElfBuilder image = GoodImage();
  image.is_64 = true;
  GuestMemory memory = Ram();
  auto loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.mode == Mode::kProtected32);

  image.segments[0].bytes.assign(16, 0xf4);
  memory = Ram();
  loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.mode == Mode::kLong64);
  CHECK(loaded->start.rip == 0x10000c);
  CHECK(loaded->start.rsp == kRam);
  CHECK(loaded->start.rsp % 16 == 0);
}

// What the processor's walk of 2 MiB pages gives for `linear`.
uint64_t Walk(const GuestMemory& memory, uint64_t cr3, uint64_t linear) {
  constexpr uint64_t kAddress = 0x000ffffffffff000;
  uint64_t entry = Peek<uint64_t>(memory, cr3 + 8 * (linear >> 39 & 511));
  REQUIRE((entry & 3) == 3);
  entry = Peek<uint64_t>(memory, (entry & kAddress) + 8 * (linear >> 30 & 511));
  REQUIRE((entry & 0x83) == 3);
  entry = Peek<uint64_t>(memory, (entry & kAddress) + 8 * (linear >> 21 & 511));
  REQUIRE((entry & 0x83) == 0x83);
  return (entry & kAddress & ~uint64_t{0x1fffff}) + (linear & 0x1fffff);
}

TEST_CASE("a 64-bit start has the low 4 GiB mapped onto themselves, and a GDT for its selectors") {
  ElfBuilder image = GoodImage();
  image.is_64 = true;
  image.segments[0].bytes.assign(16, 0xf4);
  GuestMemory memory = Ram();
  const auto loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  for (uint64_t linear :
       {0x0ull, 0x10000cull, 0x3fffffffull, 0x40000000ull, 0xfee00000ull, 0xffffffffull}) {
    CHECK(Walk(memory, loaded->start.cr3, linear) == linear);
  }
  CHECK(loaded->start.gdt_limit == 23);
  CHECK(Peek<uint64_t>(memory, loaded->start.gdt_base + 8) == 0x00af9b000000ffff);
  CHECK(Peek<uint64_t>(memory, loaded->start.gdt_base + 16) == 0x00cf93000000ffff);
  // The guest is told to keep off: the available RAM ends below all of it.
  const uint64_t end = 0x100000 + uint64_t{1024} * Info(memory, loaded->start.rbx, 2);
  CHECK(end <= loaded->start.cr3);
  CHECK(end <= loaded->start.gdt_base);
}

absl::StatusOr<LoadedImage> LoadFlat(const std::vector<uint8_t>& bytes, uint64_t address,
                                     GuestMemory& memory) {
  return LoadImage({.image = ImageBytes("img", bytes), .arguments = "a", .flat = address}, memory);
}

TEST_CASE("a flat image starts at its first byte, below 1 MiB in real mode") {
  const std::vector<uint8_t> bytes = GoodImage().Build();  // what is in it does not matter
  struct Case {
    uint64_t address;
    Mode mode;
    uint64_t rsp;
  };
  for (const Case& c : {Case{0, Mode::kReal, 0xfff0}, Case{0x7c00, Mode::kReal, 0x7c00},
                        Case{0x10000, Mode::kReal, 0xfff0}, Case{0x100000, Mode::kProtected32, 0},
                        Case{0x200000, Mode::kProtected32, 0}}) {
    GuestMemory memory = Ram();
    const auto loaded = LoadFlat(bytes, c.address, memory);
    REQUIRE(loaded.ok());
    CHECK(loaded->start.mode == c.mode);
    CHECK(loaded->start.rip == c.address);
    CHECK(loaded->start.rsp == c.rsp);
    CHECK(Peek<uint32_t>(memory, c.address) == 0x464c457f);
    CHECK(PeekString(memory, Info(memory, loaded->start.rbx, 4)) == "img a");
  }
}

TEST_CASE("a flat image that does not fit is refused") {
  GuestMemory memory = Ram(uint64_t{1} << 20);
  const std::vector<uint8_t> bytes(0x1001, 0x90);
  CHECK(LoadFlat(bytes, 0xff000, memory).status().message() ==
        "img: offset 0x0: 0x1001 bytes at 0xff000 do not lie in guest memory, which ends at "
        "0x100000; give more with --memory");
  // Where no --memory helps.
  for (const uint64_t address : {uint64_t{0xfee00000}, UINT64_MAX}) {
    const std::string why(LoadFlat(bytes, address, memory).status().message());
    CHECK(why.find("--memory") == std::string::npos);
    CHECK(why.find(": an image has to lie below 0xc0000000") != std::string::npos);
  }
}

TEST_CASE("loading again puts zeros where the image has them") {
  const std::vector<uint8_t> bytes = GoodImage().Build();
  GuestMemory memory = Ram();
  LoadRequest request{.image = ImageBytes("img", bytes), .arguments = {}};
  REQUIRE(LoadImage(request, memory).ok());
  REQUIRE(memory.WriteValue(0x102000, uint32_t{9}).ok());
  REQUIRE(memory.WriteValue(0x104ffc, uint32_t{9}).ok());
  REQUIRE(memory.WriteValue(0x105000, uint32_t{9}).ok());
  request.again = true;
  REQUIRE(LoadImage(request, memory).ok());
  CHECK(Peek<uint32_t>(memory, 0x102000) == 0x04030201);
  CHECK(Peek<uint32_t>(memory, 0x104ffc) == 0);
}

TEST_CASE("what is neither ELF nor Multiboot is refused, and so is nothing at all") {
  CHECK(Refusal(std::vector<uint8_t>(100, 'x')).find("img: offset 0x0: neither") == 0);
  CHECK(Refusal({}).find("img: offset 0x0: neither") == 0);
}

TEST_CASE("an image that leaves no room for what the loader adds says so") {
  ElfBuilder image = GoodImage();
  image.segments[1].memory_size = 0xf00000 - 0x2000;
  CHECK(Refusal(image.Build()).find("the command line (11 bytes) does not fit") == 0);
  image.is_64 = true;
  image.segments[0].bytes.assign(16, 0xf4);
  CHECK(Refusal(image.Build()).find("img: page tables, GDT and stack of a 64-bit start") == 0);
}

}  // namespace
}  // namespace muster::vmm
