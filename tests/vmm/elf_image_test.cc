// What an ELF file must hold to be loaded, and what is read from it besides.

#include <catch2/catch.hpp>

#include <muster/vmm/load/description.h>
#include <muster/vmm/load/load_image.h>

#include "elf_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using testing::ElfBuilder;
using testing::GoodImage;
using testing::Load;
using testing::Ram;
using testing::Refusal;
using testing::Store;

TEST_CASE("each rule for ELF files names the file, the offset and itself") {
  const ElfBuilder good = GoodImage();
  const auto with = [&good](uint64_t offset, auto value) {
    std::vector<uint8_t> bytes = good.Build();
    Store(bytes, offset, value);
    return Refusal(bytes);
  };
  CHECK(with(4, uint8_t{3}) == "img: offset 0x4: EI_CLASS must be 1 (32-bit) or 2 (64-bit)");
  CHECK(with(5, uint8_t{2}) == "img: offset 0x5: an x86 image is little-endian (EI_DATA 1)");
  CHECK(with(6, uint8_t{0}) == "img: offset 0x6: the ELF version must be 1");
  CHECK(with(16, uint16_t{3}).find("offset 0x10: only an executable") != std::string::npos);
  CHECK(with(18, uint16_t{62}) ==
        "img: offset 0x12: a 32-bit image must be for the i386 (e_machine 3)");
  CHECK(with(24, uint32_t{0x200000}) ==
        "img: offset 0x18: the entry point 0x200000 is in no segment");
  CHECK(
      with(28, uint32_t{0xffffff00}).find("offset 0xffffff00: program header table of 64 bytes") !=
      std::string::npos);
  CHECK(with(42, uint16_t{16}) == "img: offset 0x2a: a program header has 32 bytes, not 16");
  CHECK(with(44, uint16_t{0}) == "img: offset 0x2c: an image has 1 to 65,534 program headers");
  CHECK(with(52, uint32_t{3}).find("offset 0x34: the image is dynamically linked") !=
        std::string::npos);
  CHECK(with(56, uint32_t{0x10000}).find("offset 0x10000: segment of 16 bytes ends past") !=
        std::string::npos);
  CHECK(with(68, uint32_t{0x100}) ==
        "img: offset 0x34: segment has more bytes in the file (0x100) than in memory (0x10)");
  CHECK(with(64, uint32_t{0xfffffff8}) ==
        "img: offset 0x34: segment at 0xfffffff8 of 0x10 bytes wraps");
  CHECK(with(64, uint32_t{0x104ff8}) ==
        "img: offset 0x34: segment at physical 0x104ff8 overlaps the one at 0x102000 of 0x3000 "
        "bytes");
  CHECK(with(72, uint32_t{0x1000000}).find("overlaps") != std::string::npos);
  CHECK(with(52 + 32 + 20, uint32_t{0xfe0000})
            .find("img: offset 0x54: 0xfe0000 bytes at 0x102000 do not lie in guest memory") == 0);
}

TEST_CASE("no program header that loads is refused") {
  std::vector<uint8_t> bytes = GoodImage().Build();
  Store(bytes, 52, uint32_t{4});
  Store(bytes, 84, uint32_t{4});
  CHECK(Refusal(bytes) == "img: offset 0x34: no program header loads anything (PT_LOAD)");
}

TEST_CASE("the entry point is virtual, the start physical") {
  ElfBuilder image = GoodImage();
  image.is_64 = true;
  image.segments[0].virtual_address = 0xffffffff80100000;
  image.entry = 0xffffffff8010000c;
  GuestMemory memory = Ram();
  const auto loaded = Load(image.Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.rip == 0x10000c);
}

TEST_CASE("symbols name addresses within them and none outside the image") {
  ElfBuilder image = GoodImage();
  for (bool is_64 : {false, true}) {
    image.is_64 = is_64;
    const std::vector<uint8_t> bytes = image.Build();
    const SymbolTable symbols = ReadSymbols(ImageBytes("img", bytes));
    CHECK(symbols.Name(0x10000b).empty());
    CHECK(symbols.Name(0x10000c) == "start");
    CHECK(symbols.Name(0x10000e) == "start+0x2");
    CHECK(symbols.Name(0x102003) == "table+0x3");
    CHECK(symbols.Name(0x102004).empty());
    CHECK(symbols.Name(0x105000).empty());
  }
}

TEST_CASE("a guest's description is read from its note") {
  ElfBuilder image = GoodImage();
  std::vector<uint8_t> bytes = image.Build();
  CHECK(ReadDescription(ImageBytes("img", bytes)) == "does nothing");
  image.description.clear();
  bytes = image.Build();
  CHECK(ReadDescription(ImageBytes("img", bytes)).empty());
}

TEST_CASE("a function is there by its name, not by that of what the compiler made of it") {
  const SymbolTable symbols({{0x100, 0x10, "Foo.part.0"}, {0x110, 0x10, "Bar"}}, 0x200);
  CHECK(symbols.Has("Foo"));
  CHECK(symbols.Has("Bar"));
  CHECK_FALSE(symbols.Has("Foo.part.0"));
  CHECK_FALSE(symbols.Has("Fo"));
}

}  // namespace
}  // namespace muster::vmm
