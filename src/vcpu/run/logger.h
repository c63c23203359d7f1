#pragma once

#include <cstdint>
#include <string_view>

namespace muster::vcpu {

// Where the library says what is no error and nobody asked for. By itself it is silent.
class Logger {
 public:
  // kWarning: something that its reader may want to mend.
  enum class Severity : uint8_t { kInfo, kWarning };

  virtual ~Logger() = default;

  // One line, without its end. By any thread, several at once, with none of the library's locks
  // held. A call of a Vm from in here is at the caller's risk: it may log in turn. Throws nothing.
  virtual void Log(Severity severity, std::string_view line) = 0;
};

}  // namespace muster::vcpu
