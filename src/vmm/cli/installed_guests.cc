#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/load/description.h>
#include <muster/vmm/load/image_file.h>

namespace muster::vmm {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Names() {
  std::vector<std::string> names;
  std::error_code error;  // no directory, no guests
  for (const fs::directory_entry& entry : fs::directory_iterator(GuestDirectory(), error)) {
    if (entry.is_regular_file(error)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string GuestDirectory() {
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  const fs::path prefix = executable.parent_path().parent_path();
  const fs::path installed = prefix / "share/muster/guests";
  return (fs::is_directory(installed, error) ? installed : prefix / "guests").string();
}

absl::StatusOr<std::string> ResolveImage(const std::string& image) {
  if (image.find('/') != std::string::npos) return image;
  const std::vector<std::string> names = Names();
  if (std::find(names.begin(), names.end(), image) != names.end()) {
    return GuestDirectory() + "/" + image;
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  return absl::NotFoundError(
      fmt::format("{}: not among the guests in {} ({}); a file is named with a /, like ./{}", image,
                  GuestDirectory(), known.empty() ? "there are none" : known, image));
}

std::vector<InstalledGuest> ListGuests() {
  std::vector<InstalledGuest> guests;
  for (const std::string& name : Names()) {
    const auto bytes = ReadFile(GuestDirectory() + "/" + name);
    guests.push_back({name, bytes.ok() ? ReadDescription(ImageBytes(name, *bytes))
                                       : std::string(bytes.status().message())});
  }
  return guests;
}

}  // namespace muster::vmm
