#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <muster/vmm/serial/client_peer.h>

namespace muster::vmm {
namespace {

// After which a client that there was no descriptor for is tried again: nothing tells that there is
// one, and all the while the client is announced.
constexpr int kTakeAgainMs = 100;
constexpr short kGone = POLLHUP | POLLERR | POLLNVAL;

}  // namespace

ClientPeer::~ClientPeer() {
  StopInput();
  sync::MutexLock lock(mutex_);
  if (client_ >= 0) source_->Gone(client_);
}

void ClientPeer::Start(Callbacks callbacks) {
  callbacks_ = std::move(callbacks);
  thread_.Start([this] { Main(); });
}

void ClientPeer::Room() {
  if (pending_.wanted()) thread_.Wake();
}

void ClientPeer::Write(std::span<const uint8_t> bytes) {
  sync::MutexLock lock(mutex_);
  kept_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (client_ >= 0) PassOn();
  // In large pieces, so that it costs little; what is left begins with a whole line.
  if (kept_.size() < 2 * kMostKept) return;
  const size_t line = kept_.find('\n', kept_.size() - kMostKept - 1);
  kept_.erase(0, line == std::string::npos ? kept_.size() - kMostKept : line + 1);
}

void ClientPeer::Finish() {
  sync::MutexLock lock(mutex_);
  if (client_ >= 0) source_->Drain(client_, hurry_.fd());
}

void ClientPeer::PassOn() {
  size_t done = 0;
  while (done < kept_.size()) {
    pollfd waits[] = {{client_, POLLOUT, 0}, {hurry_.fd(), POLLIN, 0}};
    poll(waits, 2, -1);
    if (waits[0].revents & kGone) break;
    if (!(waits[0].revents & POLLOUT)) {
      if (waits[1].revents != 0) break;
      continue;
    }
    const ssize_t written = write(client_, kept_.data() + done, kept_.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno != EINTR && errno != EAGAIN) {
      break;
    }
  }
  kept_.erase(0, done);
}

void ClientPeer::Arrive(int client) {
  sync::MutexLock lock(mutex_);
  client_ = client;
  PassOn();
}

void ClientPeer::Leave(int client) {
  sync::MutexLock lock(mutex_);
  client_ = -1;
  source_->Gone(client);
}

bool ClientPeer::Read(int client, short events, bool& reading) {
  std::array<uint8_t, 256> bytes;
  const ssize_t got = read(client, bytes.data(), std::min(bytes.size(), pending_.room()));
  if (got > 0) {
    pending_.Add(std::span(bytes).first(static_cast<size_t>(got)));
    return true;
  }
  if (got == 0) {
    reading = false;
    return !(events & kGone);
  }
  return errno == EINTR || (errno == EAGAIN && !(events & kGone));
}

void ClientPeer::Main() {
  int client = -1;
  bool reading = false, not_now = false;
  for (;;) {
    pending_.Deliver(callbacks_.receive);
    reading = reading && client >= 0;
    const bool read = reading && pending_.room() > 0;
    pollfd wait{client, static_cast<short>(read ? POLLIN : 0), 0};
    if (client < 0 && !not_now) wait = {source_->fd(), POLLIN, 0};
    if (!thread_.Sleep(wait, std::exchange(not_now, false) ? kTakeAgainMs : -1)) return;
    const short events = wait.revents;
    if (events == 0) continue;
    if (client < 0) {
      const int taken = source_->Take();
      not_now = taken == ClientSource::kNotNow;
      if (taken < 0) continue;
      client = taken;
      reading = true;
      Arrive(client);
    } else if (read ? !Read(client, events, reading) : (events & kGone) != 0) {
      Leave(std::exchange(client, -1));
    }
  }
}

}  // namespace muster::vmm
