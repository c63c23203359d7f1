#pragma once

#include <string>

#include <muster/vmm/serial/input_fd.h>
#include <muster/vmm/serial/output_fd.h>
#include <muster/vmm/serial/serial_peer.h>

namespace muster::vmm {

// Two descriptors, which stay their owner's. `input_fd` -1: no input at all. `name`: what the
// reason for lost output begins with.
class FdPeer : public SerialPeer {
 public:
  FdPeer(int input_fd, int output_fd, const std::string& name = "")
      : input_(input_fd), output_(output_fd, [this, name](const std::string& why) {
          lost_(name.empty() ? why : name + ": " + why);
        }) {}

  void Start(Callbacks callbacks) override {
    lost_ = std::move(callbacks.lost);
    input_.Start({.receive = std::move(callbacks.receive), .ended = std::move(callbacks.ended)});
  }
  void StopInput() override { input_.Stop(); }
  void Write(std::span<const uint8_t> bytes) override { output_.Write(bytes); }
  void Room() override { input_.Room(); }
  bool MayBringInput() const override { return input_.open(); }
  void Hurry() override { output_.Hurry(); }
  uint64_t wake_ups() const override { return input_.wake_ups(); }

 private:
  std::function<void(const std::string&)> lost_;
  InputFd input_;
  OutputFd output_;
};

}  // namespace muster::vmm
