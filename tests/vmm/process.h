#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::vmm::testing {

// Another program, run with pipes on its input and output.
class Process {
 public:
  struct Options {
    std::vector<std::string> environment = {};  // NAME=value, added to this process' own
    uid_t uid = 0;                              // other than 0: become this user
    bool read_stdout = true;                    // false: the pipe, of a page, is left to fill up
    std::string input = {};                     // its standard input, less than a pipe holds
  };
  struct Result {
    int status;  // exit status, or 128 and the signal
    std::string out, err;
  };

  Process(const std::vector<std::string>& arguments, const Options& options);
  explicit Process(const std::vector<std::string>& arguments) : Process(arguments, Options()) {}
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int number);

  // Reads until stdout or stderr holds `text`, or both end; whether it was found.
  bool WaitFor(const std::string& text) { return WaitForCount(text, 1); }
  // The same, until one of them holds it so many times.
  bool WaitForCount(const std::string& text, int count);

  // Reads until stdout or stderr holds a whole line that begins so; the line without its end, ""
  // where both end before.
  std::string WaitForLine(const std::string& beginning);

  // Waits until the pipe that nobody reads takes no more.
  void WaitUntilStdoutIsFull();

  // Waits until a signal has stopped it. A time limit of the test ends this if none does.
  void WaitUntilStopped();

  // Reads to the end and waits for the exit.
  Result Wait();

 private:
  // False at the end of both.
  bool ReadSome();

  pid_t pid_ = -1;
  int out_fd_ = -1, err_fd_ = -1;
  const bool read_stdout_;
  Result result_{};
};

// A file that is deleted at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<uint8_t>& bytes = {});
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  std::string Read() const;

 private:
  std::string path_;
};

}  // namespace muster::vmm::testing
