// What `./dev bench run` measures; each function is one line of its table.
#pragma once

#include <string>

#include <muster/vcpu/kvm/system.h>

#include "result.h"

namespace muster::bench {

// An OUT that reaches the caller of Vcpu::Run, against KVM_RUN alone in the same process.
Result MeasurePortExit(const vcpu::System& system);

// An interrupt to another running CPU and one back, against the bare loop.
Result MeasureIpi(const vcpu::System& system);

// The same on the in-kernel APIC, in a guest that both boot and that takes the time itself. Bound
// only where KVM emulates instructions: elsewhere the processor does an in-kernel APIC's work.
Result MeasureIpiAgainstQemu(const std::string& muster, const std::string& image);

// From the start of the process to the guest's first byte.
Result MeasureFirstByte(const std::string& muster, const std::string& image);

// Until all CPUs have started, per CPU: 1,024 of them against 64.
Result MeasureStartUp(const std::string& muster, const std::string& image);

}  // namespace muster::bench
