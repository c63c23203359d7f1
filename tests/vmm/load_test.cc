#include <catch2/catch.hpp>

#include <muster/vmm/load/description.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/multiboot.h>

#include "elf_builder.h"

namespace muster::vmm {
namespace {

using testing::Append;
using testing::ElfBuilder;
using testing::GoodImage;
using testing::MultibootHeaderBytes;
using testing::Store;
using Mode = vcpu::StartState::Mode;

constexpr uint64_t kRam = uint64_t{16} << 20;

GuestMemory Ram(uint64_t bytes = kRam) { return *GuestMemory::Create(bytes); }

absl::StatusOr<LoadedImage> Load(const std::vector<uint8_t>& bytes, GuestMemory& memory) {
  return LoadImage({ImageBytes("img", bytes), ""}, memory);
}

std::string Refusal(const std::vector<uint8_t>& bytes, uint64_t ram = kRam) {
  GuestMemory memory = Ram(ram);
  const absl::StatusOr<LoadedImage> loaded = Load(bytes, memory);
  return loaded.ok() ? "loaded" : std::string(loaded.status().message());
}

template <typename T>
T Peek(const GuestMemory& memory, uint64_t address) {
  T value;
  std::memcpy(&value, memory.At(address, sizeof(T)).value().data(), sizeof(T));
  return value;
}

std::string PeekString(const GuestMemory& memory, uint64_t address) {
  return reinterpret_cast<const char*>(memory.At(address, 1).value().data());
}

// Field `index` of the Multiboot information structure.
uint32_t Info(const GuestMemory& memory, uint64_t rbx, int index) {
  return Peek<uint32_t>(memory, rbx + 4 * static_cast<uint64_t>(index));
}

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

// A file that is not ELF: 32 bytes, then a header with address fields, then code.
std::vector<uint8_t> AddressImage(std::vector<uint32_t> addresses) {
  std::vector<uint8_t> bytes(32, 0xcc);
  Append(bytes, MultibootHeaderBytes(0x10000, addresses));
  Append(bytes, {0xfa, 0xf4});
  return bytes;
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
  CHECK_FALSE(LoadFlat(bytes, UINT64_MAX, memory).ok());
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
        "0x1000000; give more with --memory");
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

TEST_CASE("what is neither ELF nor Multiboot is refused, and so is nothing at all") {
  CHECK(Refusal(std::vector<uint8_t>(100, 'x')).find("img: offset 0x0: neither") == 0);
  CHECK(Refusal({}).find("img: offset 0x0: neither") == 0);
}

TEST_CASE("no program header that loads is refused") {
  std::vector<uint8_t> bytes = GoodImage().Build();
  Store(bytes, 52, uint32_t{4});
  Store(bytes, 84, uint32_t{4});
  CHECK(Refusal(bytes) == "img: offset 0x34: no program header loads anything (PT_LOAD)");
}

TEST_CASE("an image that leaves no room for what the loader adds says so") {
  ElfBuilder image = GoodImage();
  image.segments[1].memory_size = 0xf00000 - 0x2000;
  CHECK(Refusal(image.Build()).find("the command line (11 bytes) does not fit") == 0);
  image.is_64 = true;
  image.segments[0].bytes.assign(16, 0xf4);
  CHECK(Refusal(image.Build()).find("img: page tables, GDT and stack of a 64-bit start") == 0);
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

}  // namespace
}  // namespace muster::vmm
