#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include <catch2/catch.hpp>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/boot_rom.h>
#include <muster/vmm/load/mp_table.h>
#include <muster/vmm/load/smbios.h>

namespace muster::vmm {
namespace {

template <typename T>
T Peek(const GuestMemory& memory, uint64_t address) {
  T value;
  std::memcpy(&value, memory.At(address, sizeof(T)).value().data(), sizeof(T));
  return value;
}

uint8_t Sum(const std::vector<uint8_t>& bytes, size_t begin, size_t size) {
  const auto from = bytes.begin() + static_cast<ptrdiff_t>(begin);
  return static_cast<uint8_t>(std::accumulate(from, from + static_cast<ptrdiff_t>(size), 0u));
}

// The entries of the configuration table by type, each as its bytes.
std::map<int, std::vector<std::vector<uint8_t>>> Entries(const std::vector<uint8_t>& tables) {
  std::map<int, std::vector<std::vector<uint8_t>>> entries;
  for (size_t at = 16 + 44; at < tables.size();) {
    const size_t size = tables[at] == 0 ? 20 : 8;
    const auto begin = tables.begin() + static_cast<ptrdiff_t>(at);
    entries[tables[at]].emplace_back(begin, begin + static_cast<ptrdiff_t>(size));
    at += size;
  }
  return entries;
}

TEST_CASE("MP tables have right signatures, lengths and checksums for any number of CPUs") {
  for (int cpus : {1, 2, 15, 16, 255, 1024}) {
    const std::vector<uint8_t> tables = BuildMpTables(0xf0000, cpus);
    CHECK(std::string(tables.begin(), tables.begin() + 4) == "_MP_");
    CHECK(Sum(tables, 0, 16) == 0);
    const std::vector<uint8_t> next(tables.begin() + 4, tables.begin() + 8);
    CHECK(next == std::vector<uint8_t>{0x10, 0, 0x0f, 0});  // F0010
    CHECK(std::string(tables.begin() + 16, tables.begin() + 20) == "PCMP");
    const size_t length = tables[20] | tables[21] << 8;
    CHECK(length == tables.size() - 16);
    CHECK(tables[22] == 4);
    CHECK(Sum(tables, 16, length) == 0);
    size_t count = 0;
    for (const auto& [type, all] : Entries(tables)) count += all.size();
    CHECK(count == static_cast<size_t>(tables[16 + 34] | tables[16 + 35] << 8));
    CHECK(0xf0000 + tables.size() < BootRom::kLowBase);
  }
}

TEST_CASE("MP tables list each CPU up to 255, the first as the bootstrap processor") {
  const auto entries = Entries(BuildMpTables(0xf0000, 300)).at(0);
  REQUIRE(entries.size() == 255);
  for (size_t i = 0; i < entries.size(); ++i) {
    CHECK(entries[i][1] == i);
    CHECK(entries[i][3] == (i == 0 ? 3 : 1));
  }
}

TEST_CASE("the I/O APIC in the MP tables has an id that no CPU has") {
  for (int cpus : {1, 4, 16, 255}) {
    const auto entries = Entries(BuildMpTables(0xf0000, cpus));
    const auto& ioapics = entries.at(2);
    REQUIRE(ioapics.size() == 1);
    for (const auto& cpu : entries.at(0)) CHECK(cpu[1] != ioapics[0][1]);
    for (const auto& interrupt : entries.at(3)) CHECK(interrupt[6] == ioapics[0][1]);
  }
}

TEST_CASE("MP tables route IRQ 0 to pin 2 and each other ISA interrupt to its own pin") {
  std::map<int, int> pins;
  const auto entries = Entries(BuildMpTables(0xf0000, 2));
  for (const auto& entry : entries.at(3)) {
    CHECK(entry[1] == 0);
    CHECK(pins.emplace(entry[5], entry[7]).second);
  }
  CHECK(pins.size() == 15);
  for (const auto& [irq, pin] : pins) CHECK(pin == (irq == 0 ? 2 : irq));
}

TEST_CASE("MP tables have ExtINT on LINT0 and NMI on LINT1 of every CPU") {
  std::set<std::vector<int>> local;
  const auto entries = Entries(BuildMpTables(0xf0000, 2));
  for (const auto& entry : entries.at(4)) {
    local.insert({entry[1], entry[6], entry[7]});
  }
  CHECK(local == std::set<std::vector<int>>{{3, 0xff, 0}, {1, 0xff, 1}});
}

TEST_CASE("SMBIOS says who made the firmware, with a date that kernels take for a new machine's") {
  const std::vector<uint8_t> all = BuildSmbios(0xf8000);
  CHECK(std::string(all.begin(), all.begin() + 5) == "_SM3_");
  CHECK(Sum(all, 0, all[6]) == 0);
  CHECK(all[16] == 32);  // F8020
  CHECK(all[17] == 0x80);
  // Each structure ends with two zeros, after its strings if it has any.
  std::vector<int> types;
  std::string date;
  size_t at = 32;
  while (at < all.size()) {
    types.push_back(all[at]);
    const size_t strings = at + all[at + 1];
    at = strings;
    while (all.at(at) != 0 || all.at(at + 1) != 0) ++at;
    at += 2;
    if (types.back() != 0) continue;
    const std::string text(all.begin() + static_cast<ptrdiff_t>(strings),
                           all.begin() + static_cast<ptrdiff_t>(at - 2));
    date = text.substr(text.rfind('\0') + 1);
  }
  CHECK(types == std::vector<int>{0, 1, 127});
  CHECK(at == all.size());
  CHECK(date == "01/01/2026");
}

TEST_CASE("where a PC has its text screen a guest may write, and nothing stops it") {
  GuestMemory memory = *GuestMemory::Create(uint64_t{1} << 20);
  REQUIRE(WriteBiosArea(2, memory).ok());
  CHECK(memory.At(0xa0000, 0x20000).ok());
  REQUIRE(memory.WriteValue(0xb8000, uint16_t{0x0741}).ok());
  CHECK(Peek<uint16_t>(memory, 0xb8000) == 0x0741);
}

TEST_CASE("the BIOS data area leads to the EBDA, COM1 and the end of the base memory") {
  GuestMemory memory = *GuestMemory::Create(uint64_t{1} << 20);
  REQUIRE(memory.WriteValue(0x467, uint32_t{0x12345678}).ok());
  REQUIRE(WriteBiosArea(2, memory).ok());
  CHECK(Peek<uint16_t>(memory, 0x400) == 0x3f8);
  CHECK(Peek<uint16_t>(memory, 0x40e) == 0x9fc0);
  CHECK(Peek<uint16_t>(memory, 0x413) == 639);
  CHECK(Peek<uint8_t>(memory, 0x9fc00) == 1);
  CHECK(Peek<uint32_t>(memory, 0x467) == 0x12345678);  // the warm-reset vector is the guest's
  CHECK(Peek<uint32_t>(memory, 0xf0000) == 0x5f504d5f);
  CHECK(Peek<uint8_t>(memory, 0xffff0) == 0xe9);
}

}  // namespace
}  // namespace muster::vmm
