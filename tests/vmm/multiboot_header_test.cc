// Which files have a Multiboot header, and what its flags and addresses may be.

#include <catch2/catch.hpp>

#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/multiboot.h>

#include "elf_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using testing::Append;
using testing::ElfBuilder;
using testing::GoodImage;
using testing::Load;
using testing::MultibootHeaderBytes;
using testing::Peek;
using testing::Ram;
using testing::Refusal;

// A file that is not ELF: 32 bytes, then a header with address fields, then code.
std::vector<uint8_t> AddressImage(std::vector<uint32_t> addresses) {
  std::vector<uint8_t> bytes(32, 0xcc);
  Append(bytes, MultibootHeaderBytes(0x10000, addresses));
  Append(bytes, {0xfa, 0xf4});
  return bytes;
}

TEST_CASE("Multiboot address fields load a file that is no ELF") {
  GuestMemory memory = Ram();
  // header, load, load_end, bss_end, entry
  const auto loaded = Load(AddressImage({0x200010, 0x200000, 0, 0x201000, 0x200030}), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->format == "Multiboot, by the addresses in its header");
  CHECK(loaded->start.rip == 0x200030);
  CHECK(Peek<uint8_t>(memory, 0x200000) == 0xcc);  // file offset 16
  CHECK(Peek<uint32_t>(memory, 0x200010) == 0x1badb002);
  CHECK(Peek<uint16_t>(memory, 0x200030) == 0xf4fa);
}

TEST_CASE("each rule for Multiboot address fields names the file, the offset and itself") {
  CHECK(Refusal(AddressImage({0x1000, 0x2000, 0, 0, 0x2000})) ==
        "img: offset 0x2c: Multiboot load_addr 0x2000 with header_addr 0x1000 is before the begin "
        "of the file");
  CHECK(Refusal(AddressImage({0x200100, 0x200000, 0, 0, 0x200000})).find("before the begin") !=
        std::string::npos);
  CHECK(Refusal(AddressImage({0x200010, 0x200000, 0x1fffff, 0, 0x200000})) ==
        "img: offset 0x34: Multiboot load_end_addr 0x1fffff is below load_addr 0x200000");
  CHECK(Refusal(AddressImage({0x200010, 0x200000, 0x300000, 0, 0x200000})) ==
        "img: offset 0x10: Multiboot load area of 1048576 bytes ends past the file, which has 66");
  CHECK(Refusal(AddressImage({0x200010, 0x200000, 0, 0x200010, 0x200000})) ==
        "img: offset 0x38: Multiboot bss_end_addr 0x200010 is below the end of what is loaded, "
        "0x200032");
  CHECK(Refusal(AddressImage({0x200010, 0x200000, 0, 0, 0x200032})) ==
        "img: offset 0x3c: Multiboot entry_addr 0x200032 is not in what is loaded");
  CHECK(Refusal(AddressImage({0xf0000010, 0xf0000000, 0, 0, 0xf0000000})) ==
        "img: offset 0x20: 0x32 bytes at 0xf0000000 do not lie in guest memory, which ends at "
        "0x1000000: an image has to lie below 0xc0000000");
}

TEST_CASE("a Multiboot header counts when it is aligned, checked and in the first 8,192 bytes") {
  const auto has_header = [](const std::vector<uint8_t>& bytes) {
    const auto found = FindMultibootHeader(ImageBytes("img", bytes));
    return found.ok() && found->has_value();
  };
  const auto at = [](size_t offset) {
    std::vector<uint8_t> bytes(offset, 0);
    Append(bytes, MultibootHeaderBytes(0));
    return bytes;
  };
  CHECK(has_header(at(0)));
  CHECK(has_header(at(8180)));
  CHECK_FALSE(has_header(at(8184)));
  CHECK_FALSE(has_header(at(2)));
  std::vector<uint8_t> wrong = at(0);
  ++wrong[8];
  CHECK_FALSE(has_header(wrong));
}

TEST_CASE("unknown mandatory Multiboot flags are refused, a video mode and optional ones are not") {
  ElfBuilder image = GoodImage();
  const auto with_flags = [&image](uint32_t flags) {
    image.segments[0].bytes = MultibootHeaderBytes(flags);
    image.segments[0].bytes.resize(16, 0xf4);
    return Refusal(image.Build());
  };
  CHECK(with_flags(4) == "loaded");
  CHECK(with_flags(0x20000) == "loaded");
  CHECK(with_flags(0x18) ==
        "img: offset 0x78: Multiboot flags 0x18 demand features that are not known: 0x18");
}

}  // namespace
}  // namespace muster::vmm
