#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>

namespace muster::vmm {

// The recorded events as trace-event JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing
// open: a track for each vCPU with its states, interrupts and meetings, one for what came from
// devices, and an arrow from where an interrupt was posted (IPI, pin, MSI, timer expiry) to its
// injection and on to its EOI.
std::string ToTraceEvents(const RunReport& report);

}  // namespace muster::vmm
