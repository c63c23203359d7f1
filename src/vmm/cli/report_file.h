#pragma once

#include <absl/status/status.h>
#include <cstdio>
#include <memory>
#include <string>

namespace muster::vmm {

// The file that an option names, or stdout where that is "-". All errors are sentences that begin
// with the option and the name.
class ReportFile {
 public:
  explicit ReportFile(const char* option) : option_(option) {}

  // "": it is not wanted. What the file holds stays, until Begin.
  absl::Status Open(const std::string& name);
  // Has it be empty, if it is a file: what an earlier command put there is not taken for this
  // one's.
  absl::Status Begin();
  bool wanted() const { return file_ != nullptr; }
  int fd() const { return file_ ? fileno(file_.get()) : -1; }

  // Takes the place of what was put there since Begin, but on stdout.
  absl::Status Put(const std::string& text);

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  absl::Status Error() const;  // by errno
  bool Empty();

  const char* const option_;
  std::string name_;
  std::unique_ptr<std::FILE, Closer> file_;
};

}  // namespace muster::vmm
