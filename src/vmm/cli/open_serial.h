#pragma once

#include <absl/status/statusor.h>
#include <memory>
#include <string>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/cli/raw_terminal.h>
#include <muster/vmm/cli/serial_choice.h>
#include <muster/vmm/serial/serial_peer.h>

namespace muster::vmm {

// What the guest's serial line is connected to, and what belongs to it.
class OpenSerial {
 public:
  // An error names what --serial named. `terminal`, which outlives this, is put into raw mode again
  // where a key comes after it has lost it.
  static absl::StatusOr<std::unique_ptr<OpenSerial>> Open(const SerialChoice& choice,
                                                          RawTerminal& terminal);

  SerialPeer& peer() { return *peer_; }
  // Of the file that is written, for comparison with others; -1: none.
  int file_fd() const { return file_.get(); }
  // Has that file be empty, which it is not from Open on: it may be the wrong one. An error names
  // it.
  absl::Status Begin();
  // What the user has to be told, "" for nothing.
  const std::string& news() const { return news_; }

 private:
  OpenSerial() = default;

  vcpu::Fd file_;  // outlives the peer, which writes to it
  std::string file_name_;
  std::unique_ptr<SerialPeer> peer_;
  std::string news_;
};

}  // namespace muster::vmm
