#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <linux/kvm.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/capabilities.h>
#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/open_error.h>
#include <muster/vcpu/kvm/system.h>

namespace muster::vcpu {
namespace {

using Catch::Contains;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Root may open anything: for a while this process is somebody else.
class Unprivileged {
 public:
  Unprivileged() : before_(geteuid()) {
    if (before_ == 0) REQUIRE(seteuid(65534) == 0);
  }
  ~Unprivileged() {
    if (before_ == 0 && seteuid(before_) != 0) std::abort();
  }

 private:
  uid_t before_;
};

TEST_CASE("a device that may not be opened is a matter of permission, with its mend") {
  const TemporaryDirectory directory;
  chmod(directory.path().c_str(), 0755);
  const std::string path = directory.path() / "kvm";
  close(open(path.c_str(), O_CREAT | O_RDWR, 0));
  chmod(path.c_str(), 0);
  const Unprivileged unprivileged;
  const absl::Status status = System::Open(path).status();
  CHECK(status.code() == absl::StatusCode::kPermissionDenied);
  CHECK_THAT(status.ToString(), Contains(path) && Contains("Permission denied (errno 13): only ") &&
                                    Contains("; run as that user, or as root: chmod g+rw "));
}

TEST_CASE("a device that does not exist says that KVM is not there") {
  const absl::Status status = System::Open("/nonexistent/kvm").status();
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK_THAT(status.ToString(), Contains("/nonexistent/kvm: No such file") && Contains("; "));
  CHECK(OpenError("/dev/kvm", ENODEV).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("why a device is absent: by the processor's flags and the module, each with its mend") {
  const TemporaryDirectory without, with;
  std::filesystem::create_directory(with.path() / "kvm_amd");
  const auto flags = [](const std::string& more) {
    return "processor\t: 0\nvmx flags\t: vnmi\nflags\t\t: fpu de" + more + " sse\n\nflags\t: vmx\n";
  };
  CHECK_THAT(WhyAbsent(flags(" vmx"), without.path()),
             Contains("kvm_intel is not loaded; ") && Contains("modprobe kvm_intel"));
  CHECK_THAT(WhyAbsent(flags(" svm"), without.path()), Contains("modprobe kvm_amd"));
  CHECK_THAT(WhyAbsent(flags(" svm"), with.path()),
             Contains("kvm_amd is loaded") && Contains("; give the container /dev/kvm"));
  // Built in, on a processor that it does nothing for.
  CHECK_THAT(WhyAbsent(flags(" vmx"), with.path()), Contains("modprobe kvm_intel"));
  CHECK_THAT(WhyAbsent(flags(" hypervisor"), with.path()),
             Contains("without nested virtualization"));
  std::filesystem::create_directory(with.path() / "kvm_pvm");
  CHECK_THAT(WhyAbsent(flags(" hypervisor"), with.path()),
             Contains("kvm_pvm is loaded") && Contains("; give the container /dev/kvm"));
  CHECK_THAT(WhyAbsent(flags(" hypervisor"), "/nonexistent"),
             Contains("without nested virtualization"));
  CHECK_THAT(WhyAbsent(flags(" hypervisor"), without.path()),
             Contains("without nested virtualization") && Contains("; have it turned on"));
  CHECK_THAT(WhyAbsent(flags(""), without.path()),
             Contains("virtualization is off") && Contains("; turn on VT-x or SVM"));
}

TEST_CASE("why a device denies: by its mode and group, each with its mend") {
  DeniedDevice device{"/dev/kvm", 0660, "root", "kvm", false};
  CHECK_THAT(WhyDenied(device),
             Contains("only group kvm has access; ") && Contains("usermod -aG kvm USER"));
  device.is_member = true;
  CHECK_THAT(WhyDenied(device), Contains("its mode allows it"));
  device = {"/dev/kvm", 0600, "root", "root", true};
  CHECK_THAT(WhyDenied(device), Contains("only root has access; ") && !Contains("usermod"));
  device.mode = 0666;
  CHECK_THAT(WhyDenied(device), Contains("its mode allows it"));
}

TEST_CASE("a device that is not KVM is said to be none") {
  const absl::Status status = System::Open("/dev/null").status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK_THAT(status.ToString(), Contains("/dev/null is not KVM"));
}

TEST_CASE("an ioctl's failure names the ioctl, the errno and the vCPU") {
  const absl::Status status = IoctlError("KVM_SET_REGS", EINVAL, 17);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(status.ToString(), Contains("KVM_SET_REGS") && Contains("Invalid argument") &&
                                    Contains("errno 22") && Contains("vCPU 17"));
  CHECK_THAT(IoctlError("KVM_CREATE_VM", EINVAL).ToString(), !Contains("vCPU"));
}

TEST_CASE("running out of descriptors names RLIMIT_NOFILE") {
  for (const absl::Status& status :
       {IoctlError("KVM_CREATE_VCPU", EMFILE, 3), OpenError("/dev/kvm", EMFILE)}) {
    CHECK(status.code() == absl::StatusCode::kResourceExhausted);
    CHECK_THAT(status.ToString(), Contains("RLIMIT_NOFILE"));
  }
}

TEST_CASE(
    "how to raise the limit of descriptors: the soft one, or the hard one where they are equal") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto advice = [&](rlim_t soft) {
    const rlimit limit{soft, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    const std::string text = IoctlError("KVM_CREATE_VCPU", EMFILE, 3).ToString();
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    return text;
  };
  CHECK_THAT(advice(before.rlim_max - 1), Contains("without privilege") && !Contains("hard"));
  CHECK_THAT(advice(before.rlim_max), Contains("the hard limit") && !Contains("without"));
}

TEST_CASE("every capability that KVM lacks is named, and only those") {
  const auto all = [](int) { return 0xff; };
  CHECK(CheckCapabilities(all).ok());
  const absl::Status status = CheckCapabilities([](int number) {
    return number == KVM_CAP_IMMEDIATE_EXIT || number == KVM_CAP_X86_MSR_FILTER ? 0 : 0xff;
  });
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK_THAT(status.ToString(), Contains("lacks KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_X86_MSR_FILTER;"));
}

TEST_CASE("KVM_CAP_SYNC_REGS is needed for registers and events alike") {
  const absl::Status status = CheckCapabilities(
      [](int number) { return number == KVM_CAP_SYNC_REGS ? KVM_SYNC_X86_REGS : 0xff; });
  CHECK_THAT(status.ToString(), Contains("KVM_CAP_SYNC_REGS"));
}

}  // namespace
}  // namespace muster::vcpu
