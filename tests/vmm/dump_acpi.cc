// Writes each ACPI table to a file of its signature: dump_acpi CPUS DIRECTORY. For iasl.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include <muster/vmm/load/acpi_tables.h>
#include <muster/vmm/load/bios_area.h>

int main(int argc, char** argv) {
  using namespace muster::vmm;
  if (argc != 3) return 2;
  const std::vector<uint8_t> all = BuildAcpiTables(BiosArea::kAcpiTables, std::atoi(argv[1]));
  // All but the RSDP begin on 64 bytes, with signature and length.
  for (size_t at = 64; at + 8 <= all.size(); at += 64) {
    uint32_t length;
    std::memcpy(&length, all.data() + at + 4, sizeof(length));
    const std::string name(all.begin() + static_cast<ptrdiff_t>(at),
                           all.begin() + static_cast<ptrdiff_t>(at + 4));
    const bool is_table =
        name == "FACP" || name == "APIC" || name == "XSDT" || name == "FACS" || name == "DSDT";
    if (!is_table || length > all.size() - at) continue;
    std::ofstream(std::string(argv[2]) + "/" + name + ".aml", std::ios::binary)
        .write(reinterpret_cast<const char*>(all.data() + at), length);
  }
  return 0;
}
