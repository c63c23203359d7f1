#include <muster/vmm/serial/console_keys.h>

namespace muster::vmm {

std::optional<ConsoleKeys::Command> ConsoleKeys::Press(uint8_t key, std::vector<uint8_t>& guest) {
  if (!escaped_) {
    escaped_ = key == kEscape;
    if (!escaped_) guest.push_back(key);
    return std::nullopt;
  }
  escaped_ = false;
  switch (key) {
    case 'x':
      return Command::kQuit;
    case 'z':
      return Command::kPause;
    case 'r':
      return Command::kReport;
    case 'a':
    case kEscape:
      guest.push_back(kEscape);
      return std::nullopt;
    default:  // 'h' too; whoever presses another does not know them
      return Command::kHelp;
  }
}

const char* ConsoleKeys::Help() {
  return "after Ctrl-A: x ends the run, z pauses it (fg resumes), r prints a report, h this help, "
         "a "
         "or Ctrl-A sends Ctrl-A";
}

}  // namespace muster::vmm
