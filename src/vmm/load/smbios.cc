#include <cstddef>
#include <initializer_list>
#include <string_view>

#include <muster/vmm/load/smbios.h>
#include <muster/vmm/load/table_bytes.h>

namespace muster::vmm {
namespace {

#pragma pack(push, 1)

struct EntryPoint {
  char anchor[5] = {'_', 'S', 'M', '3', '_'};
  uint8_t checksum = 0;
  uint8_t length = 24;
  uint8_t major = 3, minor = 0, document = 0;
  uint8_t revision = 1;
  uint8_t reserved = 0;
  uint32_t most_bytes = 0;
  uint64_t structures = 0;
};
static_assert(sizeof(EntryPoint) == 24);

// Strings are by their number after the structure; 0: none.
struct Bios {
  uint8_t type = 0, length = 24;
  uint16_t handle = 0;
  uint8_t vendor = 1, version = 2;
  uint16_t segment = 0xf000;
  uint8_t date = 3;
  uint8_t size = 0;                               // 64 KiB
  uint64_t characteristics = 1 << 3;              // not said
  uint8_t more_characteristics[2] = {0, 1 << 4};  // a virtual machine
  uint8_t major = 0xff, minor = 0xff;             // not said
  uint8_t controller_major = 0xff, controller_minor = 0xff;
};
static_assert(sizeof(Bios) == 24);

struct System {
  uint8_t type = 1, length = 27;
  uint16_t handle = 1;
  uint8_t manufacturer = 1, product = 2, version = 0, serial = 0;
  uint8_t uuid[16] = {};  // not there
  uint8_t wake_up = 6;    // power switch
  uint8_t sku = 0, family = 0;
};
static_assert(sizeof(System) == 27);

struct End {
  uint8_t type = 127, length = 4;
  uint16_t handle = 2;
};

#pragma pack(pop)

template <typename T>
void Add(TableBytes& to, const T& structure, std::initializer_list<std::string_view> strings) {
  Append(to, structure);
  for (const std::string_view text : strings) {
    to.insert(to.end(), text.begin(), text.end());
    to.push_back(0);
  }
  if (strings.size() == 0) to.push_back(0);
  to.push_back(0);
}

}  // namespace

std::vector<uint8_t> BuildSmbios(uint32_t address) {
  TableBytes structures;
  Add(structures, Bios{}, {"Muster", "1", "01/01/2026"});
  Add(structures, System{}, {"Muster", "Muster"});
  Add(structures, End{}, {});

  EntryPoint entry;
  entry.most_bytes = static_cast<uint32_t>(structures.size());
  entry.structures = address + 32;
  TableBytes all;
  Append(all, entry);
  all[offsetof(EntryPoint, checksum)] = Checksum(all);
  all.resize(32);
  all.insert(all.end(), structures.begin(), structures.end());
  return all;
}

}  // namespace muster::vmm
