#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <muster/vmm/report/os_error.h>
#include <muster/vmm/serial/pty.h>

namespace muster::vmm {
namespace {

constexpr int kDrainPollMs = 5;
constexpr int kDrainMs = 5000;

absl::Status Refused(const std::string& what) {
  return absl::UnavailableError(fmt::format("{}: {}", what, OsError()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Pty>> Pty::Create() {
  std::unique_ptr<Pty> pty(new Pty);
  if (absl::Status status = pty->Open(); !status.ok()) return status;
  return pty;
}

absl::Status Pty::Open() {
  master_ = vcpu::Fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master_.valid()) return Refused("opening a pseudoterminal");
  fcntl(master_.get(), F_SETFL, fcntl(master_.get(), F_GETFL) | O_NONBLOCK);
  char name[64];
  if (grantpt(master_.get()) != 0 || unlockpt(master_.get()) != 0 ||
      ptsname_r(master_.get(), name, sizeof(name)) != 0) {
    return Refused("making the slave of a pseudoterminal");
  }
  name_ = name;
  // The slave's settings, which last until a client changes them: what the guest says is not to
  // come back as an echo.
  termios settings{};
  if (tcgetattr(master_.get(), &settings) != 0) return Refused(name_);
  cfmakeraw(&settings);
  if (tcsetattr(master_.get(), TCSANOW, &settings) != 0) return Refused(name_);
  opened_ = vcpu::Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!opened_.valid() || inotify_add_watch(opened_.get(), name, IN_OPEN) < 0) {
    return Refused("watching " + name_);
  }
  // Only once the slave has been closed does the master say that nobody is there.
  return Slave().valid() ? absl::OkStatus() : Refused(name_);
}

vcpu::Fd Pty::Slave() const { return vcpu::Fd(open(name_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)); }

int Pty::Take() {
  char events[4096];
  while (read(opened_.get(), events, sizeof(events)) > 0) {
  }
  // Now: an open after this look is news again.
  pollfd master{master_.get(), POLLIN, 0};
  poll(&master, 1, 0);
  // A client that is gone already may have left something.
  return !(master.revents & POLLHUP) || (master.revents & POLLIN) ? master_.get() : kNobody;
}

// The kernel throws away what the slave's reader has not read when the master is closed.
void Pty::Drain(int, int hurry_fd) {
  pollfd master{master_.get(), 0, 0};
  poll(&master, 1, 0);
  if (master.revents & POLLHUP) return;
  const vcpu::Fd slave = Slave();
  if (!slave.valid()) return;
  for (int waited = 0, unread = 0; waited < kDrainMs; waited += kDrainPollMs) {
    // The look for input has the kernel hand over what is still on its way to the slave, which
    // FIONREAD does not count.
    pollfd input{slave.get(), POLLIN, 0};
    poll(&input, 1, 0);
    if (ioctl(slave.get(), FIONREAD, &unread) != 0 || unread == 0) break;
    pollfd hurry{hurry_fd, POLLIN, 0};
    if (poll(&hurry, 1, kDrainPollMs) != 0) break;
  }
}

}  // namespace muster::vmm
