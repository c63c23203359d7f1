// The variables of a guest, by its DWARF: one of the scenarios' images.
#include <random>

#include <catch2/catch.hpp>

#include <muster/vmm/load/image_file.h>
#include <muster/vmm/load/source_lines.h>
#include <muster/vmm/load/symbols.h>
#include <muster/vmm/load/variables.h>

namespace muster::vmm {
namespace {

std::vector<uint8_t> Image() {
  auto bytes = ReadFile(SCENARIO_IMAGE);
  REQUIRE(bytes.ok());
  return *bytes;
}

std::optional<uint64_t> Nowhere(uint64_t) { return std::nullopt; }

TEST_CASE("a variable is found by its path in C, and its address has that path") {
  const std::vector<uint8_t> bytes = Image();
  const Variables variables = Variables::Read(ImageBytes("csd-enxio", bytes));
  const auto csd = variables.Find("csd", Nowhere);
  REQUIRE(csd.ok());
  CHECK(csd->size == 32);
  const auto flags = variables.Find("csd.flags", Nowhere);
  REQUIRE(flags.ok());
  CHECK(flags->address == csd->address + 24);
  CHECK(flags->size == 4);
  CHECK_FALSE(flags->is_signed);
  CHECK(variables.NameOf(flags->address) == "csd.flags");
  CHECK(variables.NameOf(flags->address + 1) == "csd.flags+0x1");
  const auto third = variables.Find("call_single_queue[2].first", Nowhere);
  REQUIRE(third.ok());
  CHECK(variables.NameOf(third->address) == "call_single_queue[2].first");
  CHECK(variables.Find("first_status", Nowhere)->is_signed);
  CHECK(variables.NameOf(0x10).empty());

  // By a pointer: to itself, that is.
  const auto self = [&](uint64_t) -> std::optional<uint64_t> { return csd->address; };
  const auto next = variables.Find("csd.next->next->flags", self);
  REQUIRE(next.ok());
  CHECK(next->address == flags->address);
}

TEST_CASE("a path that does not fit is refused by what it got to") {
  const std::vector<uint8_t> bytes = Image();
  const Variables variables = Variables::Read(ImageBytes("csd-enxio", bytes));
  const auto why = [&](const char* path) {
    return std::string(variables.Find(path, Nowhere).status().message());
  };
  CHECK(why("nothing") == "there is no variable 'nothing'");
  CHECK(why("") == "there is no variable ''");
  CHECK(why("csd.none") == "csd.none: 'csd' has no such member");
  CHECK(why("csd[0]") == "csd[0]: 'csd' is no array");
  CHECK(why("csd->next") == "csd->next: 'csd' is no pointer");
  CHECK(why("csd.next->flags") == "csd.next->flags: 'csd.next' leads nowhere");
  CHECK(why("calls.x") == "calls.x: 'calls' is no struct or union");
  CHECK(why("call_single_queue[4]") ==
        "call_single_queue[4]: 'call_single_queue' has not so many elements");
  CHECK(why("call_single_queue[x]") ==
        "call_single_queue[x]: 'call_single_queue' is followed by something else than [NUMBER]");
  CHECK(why("csd!") == "csd!: 'csd' is followed by none of [N], .NAME, ->NAME");
}

TEST_CASE("damaged debug information gives fewer variables, and no harm") {
  const std::vector<uint8_t> good = Image();
  std::mt19937 random(7);
  int found = 0, lost = 0;
  for (int i = 0; i < 60; ++i) {
    std::vector<uint8_t> bytes = good;
    for (int n = 0; n < 200; ++n) {
      bytes[0x2000 + random() % (bytes.size() - 0x2000)] = static_cast<uint8_t>(random());
    }
    const Variables variables = Variables::Read(ImageBytes("damaged", bytes));
    for (const char* path : {"csd.flags", "csd.next->next->next", "call_single_queue[3].first"}) {
      const auto place =
          variables.Find(path, [](uint64_t address) { return std::optional(address); });
      ++(place.ok() ? found : lost);
      if (!place.ok()) CHECK_FALSE(place.status().message().empty());
    }
    for (uint64_t address = 0x100000; address < 0x120000; address += 0x93) {
      (void)variables.NameOf(address);
    }
  }
  CHECK(found > 0);
  CHECK(lost > 0);  // else nothing that matters was damaged
}

TEST_CASE("code has the lines of its own file, and not of functions that the linker dropped") {
  const std::vector<uint8_t> bytes = Image();
  const ImageBytes image("csd-enxio", bytes);
  const SymbolTable symbols = ReadSymbols(image);
  uint64_t main = 0x100000;
  while (symbols.Name(main) != "GuestMain" && main < 0x200000) ++main;
  const SourceLines lines = ReadSourceLines(image, {main});
  REQUIRE(lines.contains(main));
  CHECK(lines.at(main).starts_with("csd-enxio.c:"));
}

}  // namespace
}  // namespace muster::vmm
