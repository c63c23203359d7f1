#include <fmt/format.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/list_command.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/two_columns.h>
#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

int ListCommand() {
  const std::vector<InstalledGuest> guests = ListGuests();
  if (guests.empty()) Say(fmt::format("muster: no guests in {}\n", GuestDirectory()));
  std::vector<std::pair<std::string, std::string>> lines;
  for (const InstalledGuest& guest : guests) lines.emplace_back(guest.name, guest.description);
  return PutOut(TwoColumns(lines), kExitClean);
}

}  // namespace muster::vmm
