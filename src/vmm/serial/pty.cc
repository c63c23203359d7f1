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
  master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master_ < 0) return Refused("opening a pseudoterminal");
  fcntl(master_, F_SETFL, fcntl(master_, F_GETFL) | O_NONBLOCK);
  char name[64];
  if (grantpt(master_) != 0 || unlockpt(master_) != 0 ||
      ptsname_r(master_, name, sizeof(name)) != 0) {
    return Refused("making the slave of a pseudoterminal");
  }
  name_ = name;
  // The slave's settings, which last until a client changes them: what the guest says is not to
  // come back as an echo.
  termios settings{};
  if (tcgetattr(master_, &settings) != 0) return Refused(name_);
  cfmakeraw(&settings);
  if (tcsetattr(master_, TCSANOW, &settings) != 0) return Refused(name_);
  opened_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (opened_ < 0 || inotify_add_watch(opened_, name, IN_OPEN) < 0) {
    return Refused("watching " + name_);
  }
  // Only once the slave has been closed does the master say that nobody is there.
  const int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return Refused(name_);
  close(slave);
  return absl::OkStatus();
}

Pty::~Pty() {
  if (opened_ >= 0) close(opened_);
  if (master_ >= 0) close(master_);
}

int Pty::Take() {
  char events[4096];
  while (read(opened_, events, sizeof(events)) > 0) {
  }
  // Now: an open after this look is news again.
  pollfd master{master_, POLLIN, 0};
  poll(&master, 1, 0);
  // A client that is gone already may have left something.
  return !(master.revents & POLLHUP) || (master.revents & POLLIN) ? master_ : -1;
}

// The kernel throws away what the slave's reader has not read when the master is closed.
void Pty::Drain(int, int hurry_fd) {
  pollfd master{master_, 0, 0};
  poll(&master, 1, 0);
  if (master.revents & POLLHUP) return;
  const int slave = open(name_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return;
  for (int waited = 0, unread = 0; waited < kDrainMs; waited += kDrainPollMs) {
    // The look for input has the kernel hand over what is still on its way to the slave, which
    // FIONREAD does not count.
    pollfd input{slave, POLLIN, 0};
    poll(&input, 1, 0);
    if (ioctl(slave, FIONREAD, &unread) != 0 || unread == 0) break;
    pollfd hurry{hurry_fd, POLLIN, 0};
    if (poll(&hurry, 1, kDrainPollMs) != 0) break;
  }
  close(slave);
}

}  // namespace muster::vmm
