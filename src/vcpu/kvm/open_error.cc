#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <grp.h>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/open_error.h>

namespace muster::vcpu {

namespace {

// The first processor's.
std::vector<std::string> CpuFlags(const std::string& cpuinfo) {
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "flags") continue;
    std::vector<std::string> flags;
    while (words >> word) flags.push_back(word);
    return flags;
  }
  return {};
}

// Those of KVM: kvm_intel, kvm_amd, or another way to run guests.
std::vector<std::string> VendorModules(const std::string& modules) {
  std::vector<std::string> found;
  std::error_code error;  // none are found where there is no such directory
  for (const auto& entry : std::filesystem::directory_iterator(modules, error)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("kvm_")) found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool HasGroup(gid_t group) {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(0, count)));
  return group == getegid() || std::find(groups.begin(), groups.end(), group) != groups.end();
}

// The names are for people: a number will do where there is none, or none that fits. Any thread of
// an embedder's may get here, so not getpwuid and getgrgid, whose result is one for all.
constexpr size_t kNameBuffer = 16384;

std::string UserName(uid_t id) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kNameBuffer);
  getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_name : std::to_string(id);
}

std::string GroupName(gid_t id) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(kNameBuffer);
  getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->gr_name : std::to_string(id);
}

DeniedDevice LookAt(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return {path, 0, "root", "root", false};
  return {path, file.st_mode, UserName(file.st_uid), GroupName(file.st_gid), HasGroup(file.st_gid)};
}

}  // namespace

std::string WhyAbsent(const std::string& cpuinfo, const std::string& modules) {
  const std::vector<std::string> flags = CpuFlags(cpuinfo);
  const auto has = [&flags](const char* flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  constexpr std::pair<const char*, const char*> kVendors[] = {{"vmx", "kvm_intel"},
                                                              {"svm", "kvm_amd"}};
  for (const std::string& module : VendorModules(modules)) {
    // One that is built into the kernel is there on processors that it can do nothing on, too.
    const auto* vendor = std::find_if(std::begin(kVendors), std::end(kVendors),
                                      [&module](const auto& v) { return v.second == module; });
    if (vendor != std::end(kVendors) && !has(vendor->first)) continue;
    return fmt::format(
        "{} is loaded, but its device is not here, as in a container; give the container /dev/kvm",
        module);
  }
  for (const auto& [flag, module] : kVendors) {
    if (has(flag)) return fmt::format("{0} is not loaded; as root: modprobe {0}", module);
  }
  if (has("hypervisor")) {
    return "this is a virtual machine without nested virtualization (no vmx or svm in "
           "/proc/cpuinfo); have it turned on at the host";
  }
  return "virtualization is off, or the processor has none (no vmx or svm in /proc/cpuinfo); turn "
         "on VT-x or SVM in the firmware";
}

std::string WhyDenied(const DeniedDevice& device) {
  const auto may = [&device](mode_t bits) { return (device.mode & bits) == bits; };
  if (may(S_IROTH | S_IWOTH) || (device.is_member && may(S_IRGRP | S_IWGRP))) {
    return "its mode allows it, but a container's or security module's rules do not; allow the "
           "device there";
  }
  if (may(S_IRGRP | S_IWGRP)) {
    return fmt::format(
        "only group {0} has access; be added to it (as root: usermod -aG {0} USER) and log in "
        "again",
        device.group);
  }
  return fmt::format(
      "only {} has access; run as that user, or as root: chmod g+rw {} (its group: {})",
      device.owner, device.path, device.group);
}

absl::Status OpenError(const std::string& path, int error) {
  const std::string message = fmt::format("cannot open {}: {} (errno {})", path,
                                          std::generic_category().message(error), error);
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message + ": " + WhyDenied(LookAt(path)));
    case ENOENT:
    case ENXIO:
    case ENODEV: {
      std::ostringstream cpuinfo;
      cpuinfo << std::ifstream("/proc/cpuinfo").rdbuf();
      return absl::NotFoundError(message + ": " + WhyAbsent(cpuinfo.str()));
    }
    default:
      return IoctlError(fmt::format("cannot open {}", path).c_str(), error);
  }
}

}  // namespace muster::vcpu
