// The ACPI tables, read as a kernel reads them: from the RSDP on.

#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/load/acpi_tables.h>
#include <muster/vmm/load/aml.h>
#include <muster/vmm/load/bios_area.h>

namespace muster::vmm {
namespace {

constexpr uint32_t kBase = BiosArea::kAcpiTables;

using Bytes = std::vector<uint8_t>;

template <typename T>
T Get(const Bytes& bytes, size_t offset) {
  T value;
  REQUIRE(offset + sizeof(T) <= bytes.size());
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

Bytes Slice(const Bytes& all, uint64_t address, size_t size) {
  REQUIRE(address >= kBase);
  REQUIRE(address - kBase + size <= all.size());
  const auto begin = all.begin() + static_cast<ptrdiff_t>(address - kBase);
  return {begin, begin + static_cast<ptrdiff_t>(size)};
}

uint8_t Sum(const Bytes& bytes) {
  return static_cast<uint8_t>(std::accumulate(bytes.begin(), bytes.end(), 0u));
}

Bytes TableAt(const Bytes& all, uint64_t address) {
  return Slice(all, address, Get<uint32_t>(Slice(all, address, 8), 4));
}

std::string SignatureOf(const Bytes& table) { return {table.begin(), table.begin() + 4}; }

// All tables by signature, the checksums looked at.
std::map<std::string, Bytes> Tables(int cpus) {
  const Bytes all = BuildAcpiTables(kBase, cpus);
  REQUIRE(kBase + all.size() <= BiosArea::kMpTables);
  std::map<std::string, Bytes> tables;
  const auto add = [&](uint64_t address) {
    const Bytes table = TableAt(all, address);
    if (SignatureOf(table) != "FACS") CHECK(Sum(table) == 0);
    tables[SignatureOf(table)] = table;
  };
  const Bytes rsdp = Slice(all, kBase, 36);
  CHECK(std::string(rsdp.begin(), rsdp.begin() + 8) == "RSD PTR ");
  CHECK(Sum(Bytes(rsdp.begin(), rsdp.begin() + 20)) == 0);
  CHECK(Sum(rsdp) == 0);
  CHECK(rsdp[15] == 2);
  add(Get<uint64_t>(rsdp, 24));
  const Bytes xsdt = tables.at("XSDT");
  for (size_t at = 36; at < xsdt.size(); at += 8) add(Get<uint64_t>(xsdt, at));
  const Bytes fadt = tables.at("FACP");
  CHECK(Get<uint32_t>(fadt, 36) % 64 == 0);
  add(Get<uint32_t>(fadt, 36));
  add(Get<uint32_t>(fadt, 40));
  CHECK(Get<uint64_t>(fadt, 140) == Get<uint32_t>(fadt, 40));
  return tables;
}

// The MADT's entries by type.
std::multimap<int, Bytes> MadtEntries(int cpus) {
  const Bytes madt = Tables(cpus).at("APIC");
  CHECK(Get<uint32_t>(madt, 36) == 0xfee00000);
  CHECK(Get<uint32_t>(madt, 40) == 1);
  std::multimap<int, Bytes> entries;
  for (size_t at = 44; at < madt.size();) {
    const size_t size = madt.at(at + 1);
    REQUIRE(size >= 2);
    const auto begin = madt.begin() + static_cast<ptrdiff_t>(at);
    entries.emplace(madt[at], Bytes(begin, begin + static_cast<ptrdiff_t>(size)));
    at += size;
  }
  return entries;
}

Bytes TheOne(const std::multimap<int, Bytes>& entries, int type) {
  REQUIRE(entries.count(type) == 1);
  return entries.find(type)->second;
}

TEST_CASE("ACPI tables have right checksums and fit below the MP tables for any number of CPUs") {
  for (const int cpus : {1, 2, 4, 255, 256, 1024}) {
    const auto tables = Tables(cpus);
    CHECK(tables.size() == 5);
    for (const char* name : {"XSDT", "FACP", "FACS", "DSDT", "APIC"})
      CHECK(tables.count(name) == 1);
  }
}

TEST_CASE("the MADT names CPUs up to id 254 by 8-bit entries and those above by x2APIC entries") {
  for (const int cpus : {1, 4, 255, 256, 300}) {
    const auto entries = MadtEntries(cpus);
    CHECK(entries.count(0) == static_cast<size_t>(std::min(cpus, 255)));
    CHECK(entries.count(9) == static_cast<size_t>(std::max(cpus - 255, 0)));
    uint32_t next = 0;
    for (auto [it, end] = entries.equal_range(0); it != end; ++it, ++next) {
      CHECK(it->second[2] == next);
      CHECK(it->second[3] == next);
      CHECK(Get<uint32_t>(it->second, 4) == 1);
    }
    for (auto [it, end] = entries.equal_range(9); it != end; ++it, ++next) {
      CHECK(Get<uint32_t>(it->second, 4) == next);
      CHECK(Get<uint32_t>(it->second, 8) == 1);
      CHECK(Get<uint32_t>(it->second, 12) == next);
    }
    CHECK(next == static_cast<uint32_t>(cpus));
  }
}

TEST_CASE("the MADT routes IRQ 0 to pin 2, and the SCI active high and level-triggered") {
  const auto entries = MadtEntries(4);
  const Bytes ioapic = TheOne(entries, 1);
  CHECK(ioapic[2] == 4);  // no CPU has it
  CHECK(Get<uint32_t>(ioapic, 4) == 0xfec00000);
  CHECK(Get<uint32_t>(ioapic, 8) == 0);
  REQUIRE(entries.count(2) == 2);
  std::map<int, Bytes> overrides;
  for (auto [it, end] = entries.equal_range(2); it != end; ++it) {
    overrides[it->second[3]] = it->second;
  }
  CHECK(Get<uint32_t>(overrides.at(0), 4) == 2);
  CHECK(Get<uint16_t>(overrides.at(0), 8) == 0);
  CHECK(Get<uint32_t>(overrides.at(9), 4) == 9);
  CHECK(Get<uint16_t>(overrides.at(9), 8) == 0xd);
}

TEST_CASE("the MADT has NMI on LINT1 of all, and says so for x2APIC ids where there are any") {
  const Bytes nmi = TheOne(MadtEntries(4), 4);
  CHECK(nmi[2] == 0xff);
  CHECK(nmi[5] == 1);
  CHECK(MadtEntries(255).count(10) == 0);
  const Bytes wide = TheOne(MadtEntries(256), 10);
  CHECK(Get<uint32_t>(wide, 4) == UINT32_MAX);
  CHECK(wide[8] == 1);
}

TEST_CASE("the FADT names the power management ports in both of its ways, and the reset register") {
  const Bytes fadt = Tables(1).at("FACP");
  CHECK(fadt.size() == 268);
  const auto same = [&](size_t legacy, size_t length, size_t extended, uint16_t port, int bytes) {
    CHECK(Get<uint32_t>(fadt, legacy) == port);
    CHECK(fadt[length] == bytes);
    CHECK(fadt[extended] == 1);  // an I/O port
    CHECK(fadt[extended + 1] == 8 * bytes);
    CHECK(Get<uint64_t>(fadt, extended + 4) == port);
  };
  same(56, 88, 148, 0x600, 4);
  same(64, 89, 172, 0x604, 2);
  same(76, 91, 208, 0x608, 4);
  CHECK(Get<uint16_t>(fadt, 46) == 9);
  CHECK(Get<uint32_t>(fadt, 48) == 0);  // no SMI command: always in ACPI mode
  const auto flags = Get<uint32_t>(fadt, 112);
  CHECK((flags & 1 << 10) != 0);
  CHECK((flags & 1 << 8) != 0);
  CHECK((flags & 1 << 20) == 0);  // not hardware-reduced, which has no 8259 or PIT
  CHECK(Get<uint64_t>(fadt, 120) == 0xcf9);
  CHECK(fadt[128] == 6);
}

TEST_CASE("AML lengths take as many bytes as their contents want") {
  using namespace aml;
  CHECK(Package({Integer(5), Integer(0)}) == Term{0x12, 0x05, 2, 0x0a, 5, 0});
  CHECK(Name("_UID", Integer(0x1234)) == Term{0x08, '_', 'U', 'I', 'D', 0x0b, 0x34, 0x12});
  const auto length_of = [](size_t bytes) {
    const Term buffer = Buffer(Term(bytes));
    const int more = buffer[1] >> 6;
    size_t length = more == 0 ? buffer[1] : buffer[1] & 0xf;
    for (int i = 0; i < more; ++i)
      length |= size_t{buffer[static_cast<size_t>(2 + i)]} << (4 + 8 * i);
    CHECK(length == buffer.size() - 1);
    return more;
  };
  CHECK(length_of(60) == 0);
  CHECK(length_of(61) == 1);
  CHECK(length_of(4000) == 1);
  CHECK(length_of(4090) == 1);
  CHECK(length_of(4091) == 2);
  CHECK(length_of(70000) == 2);
}

TEST_CASE("EISA ids are packed as the ACPI Specification's example is") {
  CHECK(aml::EisaId("PNP0C0A") == aml::Term{0x0c, 0x41, 0xd0, 0x0c, 0x0a});
}

TEST_CASE("the DSDT's soft-off state is the sleep type that the power-off port takes") {
  const Bytes dsdt = Tables(1).at("DSDT");
  const Bytes expected = {0x08, '\\', '_', 'S', '5', '_', 0x12, 0x08, 4, 0x0a, 5, 0x0a, 5, 0, 0};
  CHECK(std::search(dsdt.begin(), dsdt.end(), expected.begin(), expected.end()) != dsdt.end());
}

}  // namespace
}  // namespace muster::vmm
