#pragma once

#include <absl/status/statusor.h>
#include <string>

namespace muster::vmm {

// What --serial names.
struct SerialChoice {
  enum class Kind { kStdio, kConsole, kPty, kUnix, kFile, kNone };
  Kind kind = Kind::kStdio;
  std::string path = {};  // kUnix, kFile

  bool OnStdout() const { return kind == Kind::kStdio || kind == Kind::kConsole; }
};

// "stdio", "console", "pty", "unix:PATH", "none", or a file's name, which has a '/' or '.' in it.
// An error says what is wrong with the text.
absl::StatusOr<SerialChoice> ParseSerialChoice(const std::string& text);

}  // namespace muster::vmm
