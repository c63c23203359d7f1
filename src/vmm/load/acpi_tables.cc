#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include <muster/apic/ioapic_regs.h>
#include <muster/apic/lapic_regs.h>
#include <muster/vmm/load/acpi_tables.h>
#include <muster/vmm/load/aml.h>
#include <muster/vmm/load/mp_table.h>
#include <muster/vmm/load/table_bytes.h>

namespace muster::vmm {
namespace {

// All structures here are as they lie in memory: packed, little-endian.
#pragma pack(push, 1)

struct Rsdp {
  char signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  uint8_t checksum = 0;  // of what ACPI 1.0 has, the first 20 bytes
  char oem[6] = {'M', 'U', 'S', 'T', 'E', 'R'};
  uint8_t revision = 2;
  uint32_t rsdt = 0;  // there is none, for the XSDT is
  uint32_t length = 36;
  uint64_t xsdt = 0;
  uint8_t extended_checksum = 0;
  uint8_t reserved[3] = {};
};
static_assert(sizeof(Rsdp) == 36);

struct Header {
  char signature[4];
  uint32_t length;
  uint8_t revision;
  uint8_t checksum = 0;
  char oem[6] = {'M', 'U', 'S', 'T', 'E', 'R'};
  char oem_table[8] = {'M', 'U', 'S', 'T', 'E', 'R', ' ', ' '};
  uint32_t oem_revision = 1;
  char creator[4] = {'M', 'S', 'T', 'R'};
  uint32_t creator_revision = 1;
};
static_assert(sizeof(Header) == 36);

// "Generic Address Structure", of an I/O port.
struct PortAddress {
  uint8_t space = 0;
  uint8_t bits = 0;
  uint8_t offset = 0;
  uint8_t access = 0;  // 1: bytes, 2: words, 3: dwords
  uint64_t address = 0;

  static PortAddress Of(uint16_t port, uint8_t bytes, uint8_t access) {
    return {.space = 1, .bits = static_cast<uint8_t>(8 * bytes), .access = access, .address = port};
  }
};
static_assert(sizeof(PortAddress) == 12);

struct Fadt {
  uint32_t facs = 0, dsdt = 0;
  uint8_t reserved0 = 0;
  uint8_t profile = 0;
  uint16_t sci = AcpiMachine::kSciIrq;
  uint32_t smi_command = 0;  // none: always in ACPI mode
  uint8_t acpi_enable = 0, acpi_disable = 0, s4bios = 0, pstate_control = 0;
  uint32_t pm1a_event = AcpiMachine::kPm1Event, pm1b_event = 0;
  uint32_t pm1a_control = AcpiMachine::kPm1Control, pm1b_control = 0, pm2_control = 0;
  uint32_t pm_timer = AcpiMachine::kPmTimer;
  uint32_t gpe0 = 0, gpe1 = 0;
  uint8_t pm1_event_bytes = 4, pm1_control_bytes = 2, pm2_control_bytes = 0, pm_timer_bytes = 4;
  uint8_t gpe0_bytes = 0, gpe1_bytes = 0, gpe1_base = 0, cst_control = 0;
  uint16_t c2_latency = 0xfff, c3_latency = 0xfff;  // so much: not there
  uint16_t flush_size = 0, flush_stride = 0;
  uint8_t duty_offset = 0, duty_width = 0;
  uint8_t day_alarm = 0, month_alarm = 0, century = 0;
  uint16_t boot_architecture;
  uint8_t reserved1 = 0;
  uint32_t flags;
  PortAddress reset = PortAddress::Of(AcpiMachine::kReset, 1, 1);
  uint8_t reset_value = AcpiMachine::kResetValue;
  uint16_t arm_boot_architecture = 0;
  uint8_t minor_version = 1;
  uint64_t x_facs = 0, x_dsdt = 0;
  PortAddress x_pm1a_event = PortAddress::Of(AcpiMachine::kPm1Event, 4, 2), x_pm1b_event = {};
  PortAddress x_pm1a_control = PortAddress::Of(AcpiMachine::kPm1Control, 2, 2), x_pm1b_control = {},
              x_pm2_control = {};
  PortAddress x_pm_timer = PortAddress::Of(AcpiMachine::kPmTimer, 4, 3);
  PortAddress x_gpe0 = {}, x_gpe1 = {};
  PortAddress sleep_control = {}, sleep_status = {};
};
static_assert(sizeof(Header) + sizeof(Fadt) == 268);

enum BootArchitecture : uint16_t { kLegacyDevices = 1 << 0, kKeyboardController = 1 << 1 };

enum FadtFlags : uint32_t {
  kWbinvd = 1 << 0,
  kC1 = 1 << 2,
  kNoPowerButton = 1 << 4,  // in the fixed registers
  kNoSleepButton = 1 << 5,
  kNoRtcWake = 1 << 6,
  kTimer32 = 1 << 8,
  kResetRegister = 1 << 10,
};

struct Facs {
  char signature[4] = {'F', 'A', 'C', 'S'};
  uint32_t length = 64;
  uint32_t hardware_signature = 0, waking_vector = 0, global_lock = 0, flags = 0;
  uint64_t x_waking_vector = 0;
  uint8_t version = 2;
  uint8_t reserved[31] = {};
};
static_assert(sizeof(Facs) == 64);

struct Madt {
  uint32_t lapic_address = apic::kDefaultApicBase;
  uint32_t flags = 1;  // there are two 8259s, to be masked
};

struct LocalApic {
  uint8_t type = 0, length = 8;
  uint8_t uid, id;
  uint32_t flags = 1;  // enabled
};
static_assert(sizeof(LocalApic) == 8);

struct LocalX2Apic {
  uint8_t type = 9, length = 16;
  uint16_t reserved = 0;
  uint32_t id;
  uint32_t flags = 1;
  uint32_t uid;
};
static_assert(sizeof(LocalX2Apic) == 16);

struct IoApic {
  uint8_t type = 1, length = 12;
  uint8_t id;
  uint8_t reserved = 0;
  uint32_t address = apic::kDefaultIoApicBase;
  uint32_t first_interrupt = 0;
};
static_assert(sizeof(IoApic) == 12);

// "Interrupt Source Override Structure"; flags of "MPS INTI Flags".
struct Override {
  enum Flags : uint16_t { kAsTheBus = 0, kActiveHighLevel = 0xd };

  uint8_t type = 2, length = 10;
  uint8_t bus = 0;
  uint8_t irq;
  uint32_t pin;
  uint16_t flags;
};
static_assert(sizeof(Override) == 10);

constexpr uint8_t kNmiPin = 1;

struct LocalNmi {
  uint8_t type = 4, length = 6;
  uint8_t uid = 0xff;  // all
  uint16_t flags = 0;
  uint8_t pin = kNmiPin;
};
static_assert(sizeof(LocalNmi) == 6);

struct LocalX2ApicNmi {
  uint8_t type = 10, length = 12;
  uint16_t flags = 0;
  uint32_t uid = UINT32_MAX;  // all
  uint8_t pin = kNmiPin;
  uint8_t reserved[3] = {};
};
static_assert(sizeof(LocalX2ApicNmi) == 12);

#pragma pack(pop)

TableBytes Table(std::string_view signature, uint8_t revision, const TableBytes& contents) {
  Header header{.signature = {},
                .length = static_cast<uint32_t>(sizeof(Header) + contents.size()),
                .revision = revision};
  std::memcpy(header.signature, signature.data(), sizeof(header.signature));
  TableBytes table;
  Append(table, header);
  table.insert(table.end(), contents.begin(), contents.end());
  table[offsetof(Header, checksum)] = Checksum(table);
  return table;
}

TableBytes BuildMadt(int cpus) {
  constexpr int kLocalApics = 255;  // ids 0 to 254; 255 is the broadcast
  TableBytes contents;
  Append(contents, Madt{});
  for (int cpu = 0; cpu < cpus; ++cpu) {
    if (cpu < kLocalApics) {
      const auto id = static_cast<uint8_t>(cpu);
      Append(contents, LocalApic{.uid = id, .id = id});
    } else {
      const auto id = static_cast<uint32_t>(cpu);
      Append(contents, LocalX2Apic{.id = id, .uid = id});
    }
  }
  // The register has four bits of the id.
  Append(contents, IoApic{.id = static_cast<uint8_t>(IoApicIdFor(cpus) & 0xf)});
  Append(contents, Override{.irq = 0, .pin = 2, .flags = Override::kAsTheBus});
  Append(contents, Override{.irq = AcpiMachine::kSciIrq,
                            .pin = AcpiMachine::kSciIrq,
                            .flags = Override::kActiveHighLevel});
  Append(contents, LocalNmi{});
  if (cpus > kLocalApics) Append(contents, LocalX2ApicNmi{});
  return Table("APIC", 3, contents);
}

TableBytes BuildDsdt() {
  using namespace aml;
  const auto device = [](std::string_view name, std::string_view id,
                         const std::vector<Term>& resources) {
    return Device(name, {Name("_HID", EisaId(id)), Name("_CRS", ResourceTemplate(resources))});
  };
  const Term soft_off = Integer(AcpiMachine::kSoftOffType);
  TableBytes contents = Name("\\_S5_", Package({soft_off, soft_off, Integer(0), Integer(0)}));
  const Term devices = Scope("\\_SB_", {
                                           device("COM1", "PNP0501", {Io(0x3f8, 8), Irq(4)}),
                                           device("RTC_", "PNP0B00", {Io(0x70, 2), Irq(8)}),
                                       });
  contents.insert(contents.end(), devices.begin(), devices.end());
  return Table("DSDT", 2, contents);
}

TableBytes BuildFadt(uint64_t facs, uint64_t dsdt) {
  Fadt fadt{
      .facs = static_cast<uint32_t>(facs),
      .dsdt = static_cast<uint32_t>(dsdt),
      .boot_architecture = kLegacyDevices | kKeyboardController,
      .flags =
          kWbinvd | kC1 | kNoPowerButton | kNoSleepButton | kNoRtcWake | kTimer32 | kResetRegister,
  };
  fadt.x_dsdt = dsdt;
  TableBytes contents;
  Append(contents, fadt);
  return Table("FACP", 5, contents);
}

}  // namespace

std::vector<uint8_t> BuildAcpiTables(uint32_t address, int cpus) {
  TableBytes all(sizeof(Rsdp));
  // Where each goes: on 64 bytes, which the FACS needs.
  const auto add = [&](const TableBytes& table) {
    all.resize((all.size() + 63) / 64 * 64);
    const uint64_t at = address + all.size();
    all.insert(all.end(), table.begin(), table.end());
    return at;
  };
  TableBytes facs;
  Append(facs, Facs{});
  const uint64_t facs_at = add(facs);
  const uint64_t dsdt_at = add(BuildDsdt());
  TableBytes pointers;
  Append(pointers, add(BuildFadt(facs_at, dsdt_at)));
  Append(pointers, add(BuildMadt(cpus)));
  Rsdp rsdp;
  rsdp.xsdt = add(Table("XSDT", 1, pointers));
  const std::span<const uint8_t> bytes = BytesOf(rsdp);
  constexpr size_t kFirstVersion = 20;
  rsdp.checksum = Checksum(bytes.first(kFirstVersion));
  rsdp.extended_checksum = Checksum(bytes);
  std::memcpy(all.data(), &rsdp, sizeof(rsdp));
  return all;
}

}  // namespace muster::vmm
