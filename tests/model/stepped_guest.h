#pragma once

#include <cstdint>

namespace muster::model {

// KVM_RUN by steps (sync_marks.h), as the doorbell's models have it: it looks at `immediate_exit`
// once, then stays until the kick's signal is pending or, after `looks` in vain, until its guest
// `exits`. Whether it was interrupted.
bool RunGuest(uint8_t& immediate_exit, int kick_signal, bool exits, unsigned looks);

}  // namespace muster::model
