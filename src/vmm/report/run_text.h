#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// One line on how the run ended, or "" where it did as a guest does that has passed: by power-off.
std::string RenderHeadline(const RunReport& report, const Style& style);

// Headline, crash details, where every vCPU stands, accesses that nobody served.
std::string RenderReport(const RunReport& report, const Style& style);

// What the vCPUs did, and how they came up.
std::string RenderStats(const RunReport& report, const Style& style);

}  // namespace muster::vmm
