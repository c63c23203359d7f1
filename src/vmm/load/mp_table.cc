#include <algorithm>
#include <cpuid.h>
#include <cstddef>
#include <span>
#include <utility>

#include <muster/apic/ioapic_regs.h>
#include <muster/apic/lapic_regs.h>
#include <muster/vmm/load/mp_table.h>
#include <muster/vmm/load/table_bytes.h>

namespace muster::vmm {
namespace {

constexpr uint8_t kSpecification14 = 4;
constexpr uint8_t kLapicVersion = 0x14, kIoApicVersion = 0x20;
constexpr uint8_t kIsaBus = 0;
constexpr uint8_t kAllLapics = 0xff;
constexpr int kIsaIrqs = 16;

struct FloatingPointer {
  char signature[4];
  uint32_t table;
  uint8_t length;  // in 16 bytes
  uint8_t specification;
  uint8_t checksum;
  uint8_t features[5];  // 0: there is a table; virtual wire mode
};
static_assert(sizeof(FloatingPointer) == 16);

struct Header {
  char signature[4];
  uint16_t length;
  uint8_t specification;
  uint8_t checksum;
  char oem[8];
  char product[12];
  uint32_t oem_table;
  uint16_t oem_table_bytes;
  uint16_t entries;
  uint32_t lapic_address;
  uint16_t extended_length;
  uint8_t extended_checksum;
  uint8_t reserved;
};
static_assert(sizeof(Header) == 44);

struct Processor {
  enum Flags : uint8_t { kEnabled = 1, kBootstrap = 2 };

  uint8_t type = 0;
  uint8_t id;
  uint8_t version = kLapicVersion;
  uint8_t flags;
  uint32_t signature;
  uint32_t features;
  uint32_t reserved[2] = {};
};
static_assert(sizeof(Processor) == 20);

struct Bus {
  uint8_t type = 1;
  uint8_t id = kIsaBus;
  char name[6] = {'I', 'S', 'A', ' ', ' ', ' '};
};
static_assert(sizeof(Bus) == 8);

struct IoApic {
  uint8_t type = 2;
  uint8_t id;
  uint8_t version = kIoApicVersion;
  uint8_t enabled = 1;
  uint32_t address = apic::kDefaultIoApicBase;
};
static_assert(sizeof(IoApic) == 8);

struct Interrupt {
  enum Type : uint8_t { kIoApicPin = 3, kLocal = 4 };
  enum Kind : uint8_t { kVectored = 0, kNmi = 1, kExtInt = 3 };

  uint8_t type;
  uint8_t kind;
  uint16_t flags = 0;  // polarity and trigger mode as the bus has them
  uint8_t bus = kIsaBus;
  uint8_t irq;
  uint8_t apic;
  uint8_t pin;
};
static_assert(sizeof(Interrupt) == 8);

}  // namespace

uint8_t IoApicIdFor(int cpus) { return static_cast<uint8_t>(std::min(cpus, 255)); }

std::vector<uint8_t> BuildMpTables(uint32_t address, int cpus) {
  uint32_t signature = 0, features = 0, unused = 0;
  __get_cpuid(1, &signature, &unused, &unused, &features);

  TableBytes entries;
  uint16_t count = 0;
  const auto add = [&](const auto& entry) {
    Append(entries, entry);
    ++count;
  };
  for (int cpu = 0; cpu < std::min(cpus, kMostMpCpus); ++cpu) {
    add(Processor{
        .id = static_cast<uint8_t>(cpu),
        .flags = static_cast<uint8_t>(Processor::kEnabled | (cpu == 0 ? Processor::kBootstrap : 0)),
        .signature = signature,
        .features = features});
  }
  const uint8_t ioapic = IoApicIdFor(cpus);
  add(Bus{});
  add(IoApic{.id = ioapic});
  for (uint8_t irq = 0; irq < kIsaIrqs; ++irq) {
    if (irq == 2) continue;  // the second 8259's, on a PC
    add(Interrupt{.type = Interrupt::kIoApicPin,
                  .kind = Interrupt::kVectored,
                  .irq = irq,
                  .apic = ioapic,
                  .pin = irq == 0 ? uint8_t{2} : irq});
  }
  for (const auto& [kind, pin] :
       {std::pair{Interrupt::kExtInt, uint8_t{0}}, {Interrupt::kNmi, uint8_t{1}}}) {
    add(Interrupt{
        .type = Interrupt::kLocal, .kind = kind, .irq = 0, .apic = kAllLapics, .pin = pin});
  }

  FloatingPointer pointer{.signature = {'_', 'M', 'P', '_'},
                          .table = address + static_cast<uint32_t>(sizeof(FloatingPointer)),
                          .length = 1,
                          .specification = kSpecification14,
                          .checksum = 0,
                          .features = {}};
  pointer.checksum = Checksum(BytesOf(pointer));
  const Header header{.signature = {'P', 'C', 'M', 'P'},
                      .length = static_cast<uint16_t>(sizeof(Header) + entries.size()),
                      .specification = kSpecification14,
                      .checksum = 0,
                      .oem = {'M', 'U', 'S', 'T', 'E', 'R', ' ', ' '},
                      .product = {'M', 'U', 'S', 'T', 'E', 'R', ' ', ' ', ' ', ' ', ' ', ' '},
                      .oem_table = 0,
                      .oem_table_bytes = 0,
                      .entries = count,
                      .lapic_address = apic::kDefaultApicBase,
                      .extended_length = 0,
                      .extended_checksum = 0,
                      .reserved = 0};
  TableBytes tables;
  Append(tables, pointer);
  Append(tables, header);
  tables.insert(tables.end(), entries.begin(), entries.end());
  const std::span<uint8_t> table = std::span(tables).subspan(sizeof(pointer));
  table[offsetof(Header, checksum)] = Checksum(table);
  return tables;
}

}  // namespace muster::vmm
