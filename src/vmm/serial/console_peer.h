#pragma once

#include <functional>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/serial/console_keys.h>
#include <muster/vmm/serial/input_thread.h>
#include <muster/vmm/serial/output_fd.h>
#include <muster/vmm/serial/pending_input.h>
#include <muster/vmm/serial/serial_peer.h>

namespace muster::vmm {

// A console of the guest's: every key is read as it comes, whether the guest wants it or not, so
// that those for Muster always work. The guest's wait for it, PendingInput::kMost of them; more are
// lost. The descriptors stay their owner's.
class ConsolePeer : public SerialPeer {
 public:
  // Both on the thread that reads.
  struct Hooks {
    std::function<void()> pressed;  // some keys, whosever
    std::function<void(ConsoleKeys::Command)> command;
  };

  ConsolePeer(int input_fd, int output_fd, Hooks hooks);
  ~ConsolePeer() override { StopInput(); }

  void Start(Callbacks callbacks) override;
  void StopInput() override { thread_.Stop(); }
  void Write(std::span<const uint8_t> bytes) override { output_.Write(bytes); }
  void Room() override;
  bool MayBringInput() const override {
    return open_.Load(std::memory_order_acquire);  // acquire: what came before has been received
  }
  void Hurry() override { output_.Hurry(); }
  uint64_t wake_ups() const override { return thread_.wake_ups(); }

 private:
  void Main();
  void Press(std::span<const uint8_t> keys);

  const int input_fd_;
  const Hooks hooks_;
  OutputFd output_;
  Callbacks callbacks_;
  ConsoleKeys keys_;
  PendingInput pending_;
  InputThread thread_;
  sync::Atomic<bool> open_{true};
};

}  // namespace muster::vmm
