#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace muster::vmm {

// Tells the keys that are for Muster from those that are for the guest: Ctrl-A and one more.
class ConsoleKeys {
 public:
  static constexpr uint8_t kEscape = 0x01;  // Ctrl-A
  enum class Command { kQuit, kPause, kReport, kHelp };

  // The next key. For the guest: its byte is added to `guest`.
  std::optional<Command> Press(uint8_t key, std::vector<uint8_t>& guest);

  static const char* Help();

 private:
  bool escaped_ = false;  // the last key was a Ctrl-A that began a command
};

}  // namespace muster::vmm
