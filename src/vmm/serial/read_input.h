#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace muster::vmm {

// A job in the background that reads from its terminal is stopped, unless the thread blocks
// SIGTTIN. To be called once by a thread that uses ReadInput.
void BlockBackgroundStop();

struct InputRead {
  enum class Kind {
    kBytes,
    kNothing,     // this time
    kBackground,  // it is the terminal of a job that is in the foreground, as this one is not
    kEnd,
  };
  Kind kind = Kind::kNothing;
  size_t bytes = 0;
};

// How long to wait after kBackground before the next look: nothing tells when the job is in the
// foreground again.
inline constexpr int kBackgroundPollMs = 1000;

InputRead ReadInput(int fd, std::span<uint8_t> to);

}  // namespace muster::vmm
