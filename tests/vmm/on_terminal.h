#pragma once

#include <string>
#include <sys/types.h>
#include <termios.h>
#include <vector>

namespace muster::vmm::testing {

// A program in the foreground of a terminal of its own, whose keyboard and screen this is.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& words);
  ~OnTerminal();
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  void Press(const std::string& keys);
  // Reads until `text` has come; what has come up to its end, since the last such call.
  std::string WaitFor(const std::string& text);
  void Signal(int number);
  // Waits until a signal has stopped it.
  void WaitUntilStopped();
  // Reads to the end; the exit status, or 128 and the signal.
  int Wait();

  // Whether the terminal has the settings that it had at the start.
  bool SettingsAreKept() const;
  // Gives it those settings, as a shell does.
  void Reset();
  // Waits until keys are handed on one by one, none of them as a signal.
  void WaitUntilRaw() const;

 private:
  termios Settings() const;
  bool ReadSome();

  int terminal_ = -1;
  pid_t pid_ = -1;
  termios settings_{};
  std::string shown_;
};

}  // namespace muster::vmm::testing
