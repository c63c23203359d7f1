#pragma once

#include <absl/status/statusor.h>
#include <string>
#include <vector>

namespace muster::vmm {

// The guests that come with this program: the files in `guests` beside the directory that its
// executable is in.
std::string GuestDirectory();

// The file that IMAGE on the command line stands for: a path where it has a / in it, else an
// installed guest. NotFound where there is no such guest, naming those that are.
absl::StatusOr<std::string> ResolveImage(const std::string& image);

struct InstalledGuest {
  std::string name;
  std::string description;
};

// By name.
std::vector<InstalledGuest> ListGuests();

}  // namespace muster::vmm
