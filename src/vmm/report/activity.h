#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// What each vCPU did: exits by kind, IPIs, interrupts, meetings, kicks. A row each for the first
// ones, then the rest together, then all.
std::string RenderActivity(const RunReport& report, const Style& style);

}  // namespace muster::vmm
