#pragma once

#include <absl/base/thread_annotations.h>
#include <memory>
#include <string>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/serial/client_source.h>
#include <muster/vmm/serial/input_thread.h>
#include <muster/vmm/serial/pending_input.h>
#include <muster/vmm/serial/serial_peer.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

// Clients that come and go, one at a time. What the guest says while there is none waits for the
// next, the last kMostKept bytes of it; a client that is there and slow makes the guest wait.
class ClientPeer : public SerialPeer {
 public:
  static constexpr size_t kMostKept = size_t{64} * 1024;

  explicit ClientPeer(std::unique_ptr<ClientSource> source) : source_(std::move(source)) {}
  ~ClientPeer() override;

  void Start(Callbacks callbacks) override;
  void StopInput() override { thread_.Stop(); }
  void Write(std::span<const uint8_t> bytes) override;
  void Finish() override;
  void Room() override;
  bool MayBringInput() const override { return true; }  // a client may yet come
  void Hurry() override { hurry_.Signal(); }
  uint64_t wake_ups() const override { return thread_.wake_ups(); }

 private:
  void Main();
  // Reads from the client; false when it has gone. `reading` becomes false when it has nothing more
  // to say, but may listen.
  bool Read(int client, short events, bool& reading);
  void Arrive(int client) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(int client) ABSL_LOCKS_EXCLUDED(mutex_);
  void PassOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<ClientSource> source_;
  Callbacks callbacks_;
  PendingInput pending_;
  EventFd hurry_;
  InputThread thread_;
  // Held by whoever writes to the client, and waits for it. The thread takes it when the client
  // comes or has gone: then nobody waits.
  sync::Mutex mutex_;
  int client_ ABSL_GUARDED_BY(mutex_) = -1;
  std::string kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
