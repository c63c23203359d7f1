#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// What each vCPU did: exits by kind, IPIs, interrupts, meetings, kicks. A row each, but one
// for neighbours that did the same ("1-9", each of them); past some rows the rest together; all.
std::string RenderActivity(const RunReport& report, const Style& style);

}  // namespace muster::vmm
