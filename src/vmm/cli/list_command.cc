#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/list_command.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

int ListCommand() {
  const std::vector<InstalledGuest> guests = ListGuests();
  if (guests.empty()) Say(fmt::format("muster: no guests in {}\n", GuestDirectory()));
  size_t width = 0;
  for (const InstalledGuest& guest : guests) width = std::max(width, guest.name.size());
  std::string text;
  for (const InstalledGuest& guest : guests) {
    text += fmt::format("{:<{}}  {}\n", guest.name, width, guest.description);
  }
  return PutOut(text, kExitClean);
}

}  // namespace muster::vmm
