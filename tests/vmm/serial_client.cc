#include "serial_client.h"

#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include <catch2/catch.hpp>

namespace muster::vmm::testing {

SerialClient SerialClient::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  constexpr int kPatience = 6000;
  int tries = 0;
  while (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    REQUIRE(++tries < kPatience);
    usleep(10'000);
  }
  return SerialClient(fd);
}

SerialClient SerialClient::Open(const std::string& name) {
  const int fd = open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  return SerialClient(fd);
}

SerialClient::SerialClient(SerialClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), come_(std::move(other.come_)) {}

SerialClient::~SerialClient() {
  if (fd_ >= 0) close(fd_);
}

void SerialClient::Send(const std::string& text) {
  REQUIRE(write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void SerialClient::EndSending() { REQUIRE(shutdown(fd_, SHUT_WR) == 0); }

std::string SerialClient::WaitFor(const std::string& text) {
  size_t at = 0;
  while ((at = come_.find(text)) == std::string::npos) {
    INFO(come_);
    REQUIRE(ReadSome());
  }
  std::string rest = come_.substr(at + text.size());
  come_.resize(at + text.size());
  return std::exchange(come_, std::move(rest));
}

std::string SerialClient::ReadToEnd() {
  while (ReadSome()) {
  }
  return std::exchange(come_, {});
}

void SerialClient::WaitUntilFull() {
  for (int before = -1, waiting = 0; waiting == 0 || waiting != before;) {
    before = waiting;
    usleep(50'000);
    REQUIRE(ioctl(fd_, FIONREAD, &waiting) == 0);
  }
}

bool SerialClient::ReadSome() {
  pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
  constexpr int kPatienceMs = 60'000;  // ends a hang
  REQUIRE(poll(&readable, 1, kPatienceMs) > 0);
  char piece[4096];
  const ssize_t size = read(fd_, piece, sizeof(piece));  // EIO at the end of a terminal
  if (size <= 0) return false;
  come_.append(piece, static_cast<size_t>(size));
  return true;
}

}  // namespace muster::vmm::testing
