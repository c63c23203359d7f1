// ELF images with a PVH entry note: how they start, what they are told, and which are refused.

#include <catch2/catch.hpp>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/load_image.h>

#include "elf_builder.h"
#include "load_bench.h"

namespace muster::vmm {
namespace {

using Catch::Matchers::Contains;
using testing::ElfBuilder;
using testing::Load;
using testing::Peek;
using testing::PeekString;
using testing::Ram;
using testing::Refusal;
using testing::Store;
using Mode = vcpu::StartState::Mode;

struct Note {
  std::string owner = std::string("Xen\0", 4);
  uint32_t type = 18;
  std::vector<uint8_t> contents = {0x40, 0x01, 0x10, 0};  // 100140
};

std::vector<uint8_t> Bytes(const Note& note) {
  std::vector<uint8_t> bytes(12);
  Store<uint32_t>(bytes, 0, static_cast<uint32_t>(note.owner.size()));
  Store<uint32_t>(bytes, 4, static_cast<uint32_t>(note.contents.size()));
  Store<uint32_t>(bytes, 8, note.type);
  bytes.insert(bytes.end(), note.owner.begin(), note.owner.end());
  bytes.resize((bytes.size() + 3) / 4 * 4);
  testing::Append(bytes, note.contents);
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

ElfBuilder WithNotes(const std::vector<Note>& notes) {
  ElfBuilder image;
  image.is_64 = true;
  image.entry = 0x100000;  // as Linux has it: a physical address, in no segment by its virtual one
  image.segments = {{.address = 0x100000,
                     .bytes = std::vector<uint8_t>(0x200, 0xf4),
                     .memory_size = 0x4000,
                     .virtual_address = 0xffffffff81000000}};
  std::vector<uint8_t> all;
  for (const Note& note : notes) testing::Append(all, Bytes(note));
  image.segments.push_back({.address = 0x100180, .bytes = all, .type = 4});
  return image;
}

TEST_CASE("an ELF with a PVH note starts there in 32-bit mode, EBX the start information") {
  GuestMemory memory = Ram();
  auto loaded = Load(WithNotes({{}}).Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->format == "ELF64, by its PVH entry");
  CHECK(loaded->start.mode == Mode::kProtected32);
  CHECK(loaded->start.rip == 0x100140);
  const uint64_t info = loaded->start.rbx;
  CHECK(Peek<uint32_t>(memory, info) == 0x336ec578);
  CHECK(Peek<uint32_t>(memory, info + 4) == 1);
  CHECK(Peek<uint32_t>(memory, info + 12) == 0);  // no module
  CHECK(Peek<uint64_t>(memory, info + 32) == BiosArea::kAcpiTables);
  const auto map = Peek<uint64_t>(memory, info + 40);
  REQUIRE(Peek<uint32_t>(memory, info + 48) == 3);
  CHECK(Peek<uint64_t>(memory, map) == 0);
  CHECK(Peek<uint64_t>(memory, map + 8) == 0x9fc00);
  CHECK(Peek<uint32_t>(memory, map + 16) == 1);
  CHECK(Peek<uint32_t>(memory, map + 24 + 16) == 2);
  CHECK(Peek<uint64_t>(memory, map + 48) == 0x100000);
  CHECK(Peek<uint64_t>(memory, map + 56) == testing::kRam - 0x100000);

  // The note may have 8 bytes, and stand after others, also of its type.
  Note wide;
  wide.contents = {0x80, 0x01, 0x10, 0, 0, 0, 0, 0};
  memory = Ram();
  loaded = Load(WithNotes({{.owner = std::string("GNU\0", 4)}, {.type = 5}, wide}).Build(), memory);
  REQUIRE(loaded.ok());
  CHECK(loaded->start.rip == 0x100180);
}

TEST_CASE("a PVH image gets its command line and its initrd, which is its one module") {
  const std::vector<uint8_t> image = WithNotes({{}}).Build();
  const std::vector<uint8_t> initrd(5000, 0x77);
  GuestMemory memory = Ram();
  LoadRequest request{.image = ImageBytes("img", image), .arguments = "console=ttyS0"};
  request.initrd = ImageBytes("initrd", initrd);
  const auto loaded = LoadImage(request, memory);
  REQUIRE(loaded.ok());
  const uint64_t info = loaded->start.rbx;
  CHECK(PeekString(memory, Peek<uint64_t>(memory, info + 24)) == "console=ttyS0");
  REQUIRE(Peek<uint32_t>(memory, info + 12) == 1);
  const auto module = Peek<uint64_t>(memory, info + 16);
  CHECK(Peek<uint64_t>(memory, module) == testing::kRam - 0x2000);
  CHECK(Peek<uint64_t>(memory, module + 8) == 5000);
  CHECK(Peek<uint8_t>(memory, testing::kRam - 0x2000 + 4999) == 0x77);
}

TEST_CASE("an ELF64 whose notes are not of PVH starts as one without") {
  for (const Note& note : {Note{.owner = std::string("GNU\0", 4)}, Note{.type = 1},
                           Note{.owner = std::string("Xen", 3)}}) {
    ElfBuilder image = WithNotes({note});
    image.entry = 0xffffffff81000000;
    GuestMemory memory = Ram();
    const auto loaded = Load(image.Build(), memory);
    REQUIRE(loaded.ok());
    CHECK(loaded->start.mode == Mode::kLong64);
  }
}

TEST_CASE("PVH notes that leave their segment, or lead out of the image, are refused") {
  Note note;
  note.contents = {0x40, 0x01};
  CHECK_THAT(Refusal(WithNotes({note}).Build()), Contains("no 32-bit address"));
  note.contents = {0, 0, 0x20, 0};
  CHECK_THAT(Refusal(WithNotes({note}).Build()),
             Contains("the PVH entry point 0x200000 is in no segment"));
  for (const uint64_t field : {0, 4}) {
    ElfBuilder image = WithNotes({{}});
    Store<uint32_t>(image.segments[1].bytes, field, 0xfffffff0);
    CHECK_THAT(Refusal(image.Build()), Contains("note ends past its segment"));
  }
  std::vector<uint8_t> file = WithNotes({{}}).Build();
  const uint64_t program = WithNotes({{}}).HeaderOffset(1);
  Store<uint64_t>(file, program + 8, UINT64_MAX - 3);  // p_offset
  CHECK_THAT(Refusal(file), Contains("note segment"));
}

}  // namespace
}  // namespace muster::vmm
