#pragma once

#include <string>

#include <muster/vmm/report/style.h>

namespace muster::vmm {

// What `fd` can show: colours on a terminal alone (and not with NO_COLOR), block characters where
// the locale is UTF-8.
Style StyleFor(int fd);

// A line that stands on a terminal while this lives, and then is gone. Nothing elsewhere, and on
// one that cannot take it back.
class PassingLine {
 public:
  PassingLine(int fd, const std::string& text);
  ~PassingLine();
  PassingLine(const PassingLine&) = delete;
  PassingLine& operator=(const PassingLine&) = delete;

 private:
  const int fd_;
  const bool shown_;
};

}  // namespace muster::vmm
