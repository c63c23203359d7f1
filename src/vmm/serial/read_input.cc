#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include <muster/vmm/serial/read_input.h>

namespace muster::vmm {

void BlockBackgroundStop() {
  sigset_t background;
  sigemptyset(&background);
  sigaddset(&background, SIGTTIN);
  pthread_sigmask(SIG_BLOCK, &background, nullptr);
}

InputRead ReadInput(int fd, std::span<uint8_t> to) {
  using Kind = InputRead::Kind;
  const ssize_t got = read(fd, to.data(), to.size());
  if (got > 0) return {Kind::kBytes, static_cast<size_t>(got)};
  if (got == 0) return {Kind::kEnd};
  if (errno == EINTR || errno == EAGAIN) return {Kind::kNothing};
  if (errno == EIO && isatty(fd) && tcgetpgrp(fd) != getpgrp()) return {Kind::kBackground};
  return {Kind::kEnd};
}

}  // namespace muster::vmm
