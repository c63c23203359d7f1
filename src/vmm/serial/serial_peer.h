#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <muster/vmm/device/byte_sink.h>

namespace muster::vmm {

// What the guest's serial line is connected to. Write is where the output goes, from Start to
// Finish; it may wait for a reader that is slow.
class SerialPeer : public ByteSink {
 public:
  // All on the peer's threads or on one that writes, with none of its locks held.
  struct Callbacks {
    // Takes as many bytes as the device has room for, and returns how many.
    std::function<size_t(std::span<const uint8_t>)> receive;
    // There will be no more.
    std::function<void()> ended;
    // Output can't be written, and none will be from here on. Once, with the reason.
    std::function<void(const std::string& why)> lost;
  };

  virtual void Start(Callbacks callbacks) = 0;
  // No bytes are received any more.
  virtual void StopInput() = 0;
  // After the last Write: what was written is on its way.
  virtual void Finish() {}

  // The device may have room again. Any thread.
  virtual void Room() = 0;
  // Whether bytes may still come. Any thread.
  virtual bool MayBringInput() const = 0;

  // From here on nobody waits for a reader: what can't be written at once is lost. Ends waits that
  // go on already. Any thread.
  virtual void Hurry() = 0;

  // How often the thread that reads has woken.
  virtual uint64_t wake_ups() const = 0;
};

}  // namespace muster::vmm
