#include <array>

#include <muster/vmm/load/acpi_tables.h>
#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/boot_rom.h>
#include <muster/vmm/load/mp_table.h>
#include <muster/vmm/load/smbios.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kComPorts = 0x400, kExtendedSegment = 0x40e, kEquipment = 0x410,
                   kBaseMemory = 0x413;
constexpr uint16_t kCom1 = 0x3f8;
constexpr uint16_t kOneSerialPort = 1 << 9;

}  // namespace

absl::Status WriteBiosArea(int cpus, GuestMemory& memory) {
  struct Word {
    uint64_t address;
    uint16_t value;
  };
  constexpr std::array<Word, 5> kWords = {{
      {kComPorts, kCom1},
      {kExtendedSegment, BiosArea::kExtendedData >> 4},
      {kEquipment, kOneSerialPort},
      {kBaseMemory, BiosArea::kExtendedData / 1024},
      {BiosArea::kExtendedData, 1},  // KiB
  }};
  for (const Word& word : kWords) {
    absl::Status status = memory.WriteValue(word.address, word.value);
    if (!status.ok()) return status;
  }
  absl::Status status = memory.Write(BiosArea::kMpTables, BuildMpTables(BiosArea::kMpTables, cpus));
  if (status.ok()) {
    status = memory.Write(BiosArea::kAcpiTables, BuildAcpiTables(BiosArea::kAcpiTables, cpus));
  }
  if (status.ok()) status = memory.Write(BiosArea::kSmbios, BuildSmbios(BiosArea::kSmbios));
  if (status.ok()) status = memory.WriteValue(BootRom::kLowBase, BootRom::Contents());
  return status;
}

}  // namespace muster::vmm
