// Linux bzImages: where they go, what they are told, and which are refused.

#include <catch2/catch.hpp>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/load_image.h>

#include "linux_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using Catch::Matchers::Contains;
using testing::GoodLinux;
using testing::Load;
using testing::Peek;
using testing::PeekString;
using testing::Ram;
using testing::Refusal;
using testing::Store;
using Mode = vcpu::StartState::Mode;

template <typename T>
T Param(const GuestMemory& memory, const LoadedImage& loaded, uint64_t offset) {
  return Peek<T>(memory, loaded.start.rsi + offset);
}

TEST_CASE("a bzImage starts at its 64-bit entry, with boot_params in RSI") {
  GuestMemory memory = Ram();
  const auto loaded = Load(GoodLinux(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->format == "Linux 6.1.0-test, boot protocol 2.15, 64-bit entry");
  CHECK(loaded->start.mode == Mode::kLong64);
  CHECK(loaded->start.rip == 0x400200);
  CHECK(loaded->start.code_selector == 0x10);
  CHECK(loaded->start.data_selector == 0x18);
  CHECK(Peek<uint64_t>(memory, loaded->start.gdt_base + 0x10) == 0x00af9b000000ffff);
  CHECK(Peek<uint64_t>(memory, loaded->start.gdt_base + 0x18) == 0x00cf93000000ffff);
  CHECK(Peek<uint8_t>(memory, 0x400000) == 0xa0);
  CHECK(Peek<uint8_t>(memory, 0x400600) == 0xa3);
  CHECK(Param<uint32_t>(memory, *loaded, SETUP_FIELD(header)) == 0x53726448);
  CHECK(Param<uint8_t>(memory, *loaded, SETUP_FIELD(type_of_loader)) == 0xff);
  CHECK(Param<uint32_t>(memory, *loaded, SETUP_FIELD(code32_start)) == 0x400000);
  CHECK(Param<uint64_t>(memory, *loaded, offsetof(boot_params, acpi_rsdp_addr)) ==
        BiosArea::kAcpiTables);
}

TEST_CASE("a bzImage without a 64-bit entry starts at its first byte, in 32-bit mode") {
  std::vector<uint8_t> image = GoodLinux();
  Store<uint16_t>(image, SETUP_FIELD(xloadflags), 0);
  GuestMemory memory = Ram();
  auto loaded = Load(image, memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.mode == Mode::kProtected32);
  CHECK(loaded->start.rip == 0x400000);
  CHECK(loaded->start.rbx == 0);
  CHECK(Peek<uint64_t>(memory, loaded->start.gdt_base + 0x10) == 0x00cf9b000000ffff);

  // The flag came with 2.12; before, the bytes mean nothing.
  image = GoodLinux();
  Store<uint16_t>(image, SETUP_FIELD(version), 0x20b);
  memory = Ram();
  loaded = Load(image, memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.mode == Mode::kProtected32);
}

TEST_CASE("the page tables of a bzImage's start map the low 4 GiB onto themselves") {
  GuestMemory memory = Ram();
  const auto loaded = Load(GoodLinux(), memory);
  REQUIRE(loaded.ok());
  constexpr uint64_t kAddress = 0x000ffffffffff000;
  const auto root = Peek<uint64_t>(memory, loaded->start.cr3);
  for (uint64_t gigabyte = 0; gigabyte < 4; ++gigabyte) {
    const auto directory = Peek<uint64_t>(memory, (root & kAddress) + 8 * gigabyte);
    const auto page = Peek<uint64_t>(memory, (directory & kAddress) + 8 * 3);
    CHECK((page & ~uint64_t{0xfff}) == (gigabyte << 30) + 3 * 0x200000);
  }
}

TEST_CASE("a kernel that can be moved goes below where it prefers to be when RAM ends there") {
  GuestMemory memory = Ram(uint64_t{4} << 20);
  auto loaded = Load(GoodLinux(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.rip == 0x200200);  // the lowest multiple of 2 MiB above 1 MiB

  std::vector<uint8_t> image = GoodLinux();
  image[SETUP_FIELD(relocatable_kernel)] = 0;
  CHECK_THAT(Refusal(image, uint64_t{4} << 20), Contains("0x100000 bytes at 0x400000 do not lie") &&
                                                    Contains("give more with --memory"));
}

TEST_CASE("a kernel before protocol 2.10 goes to 1 MiB") {
  std::vector<uint8_t> image = GoodLinux();
  Store<uint16_t>(image, SETUP_FIELD(version), 0x206);
  image[SETUP_FIELD(relocatable_kernel)] = 0;
  GuestMemory memory = Ram();
  const auto loaded = Load(image, memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.rip == 0x100000);
}

TEST_CASE("the kernel is told of RAM below and above the hole, and of what firmware has") {
  GuestMemory memory = Ram(GuestMemory::kHoleBegin + (uint64_t{64} << 20));
  const auto loaded = Load(GoodLinux(), memory);
  REQUIRE(loaded.ok());
  const boot_params params = Peek<boot_params>(memory, loaded->start.rsi);
  struct Range {
    uint64_t base, size;
    uint32_t type;
  };
  const Range expected[] = {{0, 0x9fc00, 1},
                            {0x9fc00, 0x60400, 2},
                            {0x100000, 0xbff00000, 1},
                            {0x100000000, 0x4000000, 1}};
  REQUIRE(params.e820_entries == std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    CHECK(params.e820_table[i].addr == expected[i].base);
    CHECK(params.e820_table[i].size == expected[i].size);
    CHECK(params.e820_table[i].type == expected[i].type);
  }
}

TEST_CASE("the kernel gets the command line as it is, without the image's name") {
  const std::vector<uint8_t> image = GoodLinux();
  GuestMemory memory = Ram();
  LoadRequest request{.image = ImageBytes("img", image), .arguments = "console=ttyS0 quiet"};
  const auto loaded = LoadImage(request, memory);
  REQUIRE(loaded.ok());
  const auto at = Param<uint32_t>(memory, *loaded, SETUP_FIELD(cmd_line_ptr));
  CHECK(PeekString(memory, at) == "console=ttyS0 quiet");

  request.arguments = std::string(31, 'a');
  CHECK(LoadImage(request, memory).ok());
  request.arguments += 'a';
  CHECK_THAT(LoadImage(request, memory).status().ToString(),
             Contains("the command line has 32 bytes, and img takes 31"));
}

TEST_CASE("the initrd goes as high as the kernel allows, clear of the kernel") {
  const std::vector<uint8_t> initrd(5000, 0x77);
  std::vector<uint8_t> image = GoodLinux();
  GuestMemory memory = Ram();
  LoadRequest request{.image = ImageBytes("img", image), .arguments = ""};
  request.initrd = ImageBytes("initrd", initrd);
  auto loaded = LoadImage(request, memory);
  REQUIRE(loaded.ok());
  CHECK(Param<uint32_t>(memory, *loaded, SETUP_FIELD(ramdisk_size)) == 5000);
  CHECK(Param<uint32_t>(memory, *loaded, SETUP_FIELD(ramdisk_image)) == testing::kRam - 0x2000);
  CHECK(Peek<uint8_t>(memory, testing::kRam - 0x2000 + 4999) == 0x77);

  Store<uint32_t>(image, SETUP_FIELD(initrd_addr_max), 0x7fffff);
  loaded = LoadImage(request, memory);
  REQUIRE(loaded.ok());
  CHECK(Param<uint32_t>(memory, *loaded, SETUP_FIELD(ramdisk_image)) == 0x7fe000);

  // The kernel takes what is from 4 to 5 MiB.
  Store<uint32_t>(image, SETUP_FIELD(initrd_addr_max), 0x500fff);
  CHECK_THAT(LoadImage(request, memory).status().ToString(),
             Contains("initrd (5000 bytes) does not fit below 0x501000"));
}

TEST_CASE("a bzImage that is loaded again finds zeros where it left something") {
  const std::vector<uint8_t> image = GoodLinux();
  GuestMemory memory = Ram();
  LoadRequest request{.image = ImageBytes("img", image), .arguments = ""};
  REQUIRE(LoadImage(request, memory).ok());
  REQUIRE(memory.WriteValue(0x4fff00, uint32_t{1}).ok());
  request.again = true;
  REQUIRE(LoadImage(request, memory).ok());
  CHECK(Peek<uint32_t>(memory, 0x4fff00) == 0);
}

// What is said of GoodLinux with `value` in a field.
template <typename T>
std::string With(uint64_t offset, T value) {
  std::vector<uint8_t> image = GoodLinux();
  Store<T>(image, offset, value);
  return Refusal(image);
}

TEST_CASE("bzImages that contradict themselves or the file are refused, with the place") {
  CHECK_THAT(With<uint16_t>(SETUP_FIELD(version), 0x205),
             Contains("0x206") && Contains("boot protocol 2.05: 2.06 is the oldest"));
  CHECK_THAT(With<uint8_t>(SETUP_FIELD(loadflags), 0), Contains("zImage"));
  CHECK_THAT(With<uint8_t>(SETUP_FIELD(setup_sects), 200), Contains("past the end of the file"));
  CHECK_THAT(With<uint32_t>(SETUP_FIELD(syssize), 0x1000),
             Contains("of which the file holds 0x800"));
  CHECK_THAT(With<uint32_t>(SETUP_FIELD(kernel_alignment), 0x300000), Contains("no power of two"));
  CHECK_THAT(With<uint32_t>(SETUP_FIELD(kernel_alignment), 0), Contains("no power of two"));
  CHECK_THAT(With<uint64_t>(SETUP_FIELD(pref_address), 0x8000),
             Contains("between 1 MiB and 4 GiB"));
  CHECK_THAT(With<uint64_t>(SETUP_FIELD(pref_address), uint64_t{1} << 40),
             Contains("between 1 MiB and 4 GiB"));
  CHECK_THAT(With<uint32_t>(SETUP_FIELD(init_size), 0xffffffff), Contains("do not lie in guest"));
  CHECK_THAT(With<uint8_t>(SETUP_FIELD(jump) + 1, 0), Contains("boot protocol 0.00"));

  std::vector<uint8_t> image = GoodLinux();
  Store<uint32_t>(image, SETUP_FIELD(syssize), 0x10);
  image.resize(testing::kSetupBytes + 0x200);
  CHECK_THAT(Refusal(image), Contains("ends before its 64-bit entry point"));
}

TEST_CASE("a bzImage whose tail is missing is refused wherever it ends") {
  const std::vector<uint8_t> whole = GoodLinux();
  for (size_t size = 1; size <= whole.size() - 16; size += 7) {
    const std::string said = Refusal({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
    CHECK(said != "loaded");
  }
}

}  // namespace
}  // namespace muster::vmm
