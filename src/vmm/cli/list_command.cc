#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/list_command.h>

namespace muster::vmm {

int ListCommand() {
  const std::vector<InstalledGuest> guests = ListGuests();
  if (guests.empty()) fmt::print(stderr, "muster: no guests in {}\n", GuestDirectory());
  size_t width = 0;
  for (const InstalledGuest& guest : guests) width = std::max(width, guest.name.size());
  for (const InstalledGuest& guest : guests) {
    fmt::print("{:<{}}  {}\n", guest.name, width, guest.description);
  }
  return 0;
}

}  // namespace muster::vmm
