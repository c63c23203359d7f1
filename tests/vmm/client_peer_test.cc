// Clients of the guest's serial line, who come and go as they like.
#include <array>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/serial/client_peer.h>
#include <muster/vmm/serial/pty.h>
#include <muster/vmm/serial/unix_listener.h>
#include <muster/vmm/wake/event_fd.h>

#include "process.h"
#include "serial_client.h"

namespace muster::vmm {
namespace {

using testing::SerialClient;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A device that has room for as many bytes as it is told.
class Device {
 public:
  SerialPeer::Callbacks callbacks() {
    return {.receive = [this](std::span<const uint8_t> bytes) { return Receive(bytes); },
            .ended = [] {},
            .lost = [](const std::string&) {}};
  }
  void MakeRoom(size_t bytes, SerialPeer& peer) {
    {
      sync::MutexLock lock(mutex_);
      room_ += bytes;
    }
    peer.Room();
  }
  // Waits until it has received that.
  void WaitFor(const std::string& text) {
    sync::MutexLock lock(mutex_);
    while (received_.find(text) == std::string::npos) changed_.Wait(mutex_);  // a hang: failure
  }
  std::string received() {
    sync::MutexLock lock(mutex_);
    return received_;
  }

 private:
  size_t Receive(std::span<const uint8_t> bytes) {
    sync::MutexLock lock(mutex_);
    const size_t taken = std::min(bytes.size(), room_);
    received_.append(reinterpret_cast<const char*>(bytes.data()), taken);
    room_ -= taken;
    changed_.Signal();
    return taken;
  }

  sync::Mutex mutex_;
  sync::CondVar changed_;
  size_t room_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string received_ ABSL_GUARDED_BY(mutex_);
};

struct OnSocket {
  OnSocket() {
    signal(SIGPIPE, SIG_IGN);
    auto listener = UnixListener::Listen(path);
    REQUIRE(listener.ok());
    peer = std::make_unique<ClientPeer>(*std::move(listener));
    peer->Start(device.callbacks());
  }
  SerialClient Connect() const { return SerialClient::Connect(path); }

  const testing::TemporaryFile beside;
  const std::string path = beside.path() + ".sock";
  Device device;
  std::unique_ptr<ClientPeer> peer;
};

TEST_CASE("what is said while nobody is there waits for the next who comes, once") {
  OnSocket line;
  line.peer->Write(Bytes("before\n"));
  {
    SerialClient first = line.Connect();
    CHECK(first.WaitFor("before\n") == "before\n");
    line.peer->Write(Bytes("with"));
    CHECK(first.WaitFor("with") == "with");
  }
  line.peer->Write(Bytes("between"));
  SerialClient second = line.Connect();
  CHECK(second.WaitFor("between") == "between");
}

TEST_CASE("of much that was said while nobody was there the last lines wait, whole") {
  OnSocket line;
  const std::string tail(100, 'x');
  std::string last;
  for (int i = 0; i < 5000; ++i) {
    last = std::to_string(i) + tail + "\n";
    line.peer->Write(Bytes(last));
  }
  SerialClient client = line.Connect();
  const std::string got = client.WaitFor(last);
  CHECK(got.size() >= ClientPeer::kMostKept - last.size());
  CHECK(got.size() < 2 * ClientPeer::kMostKept);
  const size_t first_line = got.find('\n') + 1;
  CHECK(std::abs(static_cast<int>(first_line) - static_cast<int>(last.size())) <= 1);
}

TEST_CASE("a client that there is no descriptor for waits, and is not asked for without a pause") {
  struct Asked {
    std::array<uint64_t, 5> at{};
    sync::Atomic<size_t> times{0};
  } asked;
  // Always announces a client, and has it once it was asked five times.
  struct Source : ClientSource {
    explicit Source(Asked& all) : asked(all) { announced.Signal(); }
    int fd() const override { return announced.fd(); }
    int Take() override {
      const size_t times = asked.times.Load(std::memory_order_relaxed);
      asked.at[times] = sync::Now();
      asked.times.Store(times + 1, std::memory_order_release);
      if (times + 1 < asked.at.size()) return kNotNow;
      announced.Clear();
      return there.get();
    }
    void Gone(int) override {}
    void Drain(int, int) override {}
    Asked& asked;
    EventFd announced;
    const vcpu::Fd there{open("/dev/null", O_RDWR | O_CLOEXEC)};
  };
  Device device;
  ClientPeer peer(std::make_unique<Source>(asked));
  peer.Start(device.callbacks());
  while (asked.times.Load(std::memory_order_acquire) < asked.at.size()) std::this_thread::yield();
  peer.StopInput();
  for (size_t i = 1; i < asked.at.size(); ++i) CHECK(asked.at[i] - asked.at[i - 1] >= 50'000'000);
}

TEST_CASE("where there is no descriptor left a socket's client is not lost") {
  const testing::TemporaryFile beside;
  auto listener = UnixListener::Listen(beside.path() + ".sock");
  REQUIRE(listener.ok());
  CHECK((*listener)->Take() == ClientSource::kNobody);
  const SerialClient client = SerialClient::Connect(beside.path() + ".sock");
  rlimit all{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &all) == 0);
  rlimit none = all;
  none.rlim_cur = 0;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const int taken = (*listener)->Take();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &all) == 0);
  CHECK(taken == ClientSource::kNotNow);
  const int later = (*listener)->Take();
  CHECK(later >= 0);
  (*listener)->Gone(later);
}

TEST_CASE("what a client sends arrives, though it goes before the guest wants it") {
  OnSocket line;
  { line.Connect().Send("first,"); }
  {
    SerialClient second = line.Connect();  // comes though the first's bytes still wait
    second.Send("second");
    line.peer->Write(Bytes("heard"));
    second.WaitFor("heard");
  }
  line.device.MakeRoom(3, *line.peer);
  line.device.WaitFor("fir");
  line.device.MakeRoom(100, *line.peer);
  line.device.WaitFor("first,second");
}

TEST_CASE("a client that has said all it has to say still listens") {
  OnSocket line;
  SerialClient client = line.Connect();
  client.Send("all");
  client.EndSending();
  line.device.MakeRoom(100, *line.peer);
  line.device.WaitFor("all");
  line.peer->Write(Bytes("answer"));
  client.WaitFor("answer");
}

TEST_CASE("who comes while another client is there waits until that has gone") {
  OnSocket line;
  auto first = std::make_unique<SerialClient>(line.Connect());
  line.peer->Write(Bytes("one"));
  first->WaitFor("one");
  SerialClient second = line.Connect();
  line.peer->Write(Bytes("two"));
  CHECK(first->WaitFor("two") == "two");
  first.reset();
  line.peer->Write(Bytes("three"));
  CHECK(second.WaitFor("three") == "three");
}

TEST_CASE("a client that sends and never reads, to a guest that takes nothing, can be got rid of") {
  OnSocket line;
  {
    SerialClient client = line.Connect();
    client.Send(std::string(3 * PendingInput::kMost, 'k'));  // more than is kept for the guest
  }
  SerialClient next = line.Connect();
  line.peer->Write(Bytes("hello"));
  next.WaitFor("hello");
}

TEST_CASE("a client that does not read holds up the writer until told to hurry") {
  OnSocket line;
  SerialClient client = line.Connect();
  line.peer->Write(Bytes("there"));
  client.WaitFor("there");
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) line.peer->Write(Bytes(std::string(100'000, 'x')));
  });
  client.WaitUntilFull();
  line.peer->Hurry();
  writer.join();  // a hang here is the failure
}

TEST_CASE("a client that goes while the writer waits for it lets the writer go on") {
  OnSocket line;
  auto client = std::make_unique<SerialClient>(line.Connect());
  line.peer->Write(Bytes("there"));
  client->WaitFor("there");
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) line.peer->Write(Bytes(std::string(100'000, 'x')));
  });
  client->WaitUntilFull();
  client.reset();
  writer.join();  // a hang here is the failure
}

TEST_CASE("a socket's path that is too long is refused by name and length") {
  const std::string path = "/tmp/" + std::string(UnixListener::kLongestPath - 4, 'x');
  const auto listener = UnixListener::Listen(path);
  REQUIRE_FALSE(listener.ok());
  CHECK(listener.status().message() ==
        "unix:" + path + ": is 108 bytes long; a socket's name has at most 107");
  CHECK(UnixListener::Listen(path.substr(0, UnixListener::kLongestPath)).ok());
}

struct OnPty {
  OnPty() {
    auto pty = Pty::Create();
    REQUIRE(pty.ok());
    name = (*pty)->name();
    peer = std::make_unique<ClientPeer>(*std::move(pty));
    peer->Start(device.callbacks());
  }
  SerialClient Open() const { return SerialClient::Open(name); }

  std::string name;
  Device device;
  std::unique_ptr<ClientPeer> peer;
};

TEST_CASE("a pseudoterminal's clients come and go, and nothing is echoed") {
  OnPty line;
  line.device.MakeRoom(100, *line.peer);
  line.peer->Write(Bytes("before\n"));
  {
    SerialClient first = line.Open();
    CHECK(first.WaitFor("before\n") == "before\n");
    first.Send("first\r");
    line.device.WaitFor("first\r");
  }
  { line.Open().Send("in passing"); }
  line.device.WaitFor("in passing");
  SerialClient second = line.Open();
  line.peer->Write(Bytes("after\n"));
  CHECK(second.WaitFor("after\n") == "after\n");
  CHECK(line.device.received() == "first\rin passing");
}

TEST_CASE("a pseudoterminal's client can read the last of it when the line has been closed") {
  OnPty line;
  SerialClient client = line.Open();
  line.peer->Write(Bytes("there"));
  client.WaitFor("there");
  line.peer->Write(Bytes("the last"));
  std::thread closer([&] {
    line.peer->StopInput();
    line.peer->Finish();
    line.peer.reset();
  });
  usleep(100'000);  // so that it is closed before this has read, if it can be
  CHECK(client.ReadToEnd() == "the last");
  closer.join();
}

}  // namespace
}  // namespace muster::vmm
