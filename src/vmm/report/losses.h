#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>

namespace muster::vmm {

// What became of interrupts that reached nobody, and soft resets: a line each where there are any.
std::string RenderLosses(const RunReport& report);

}  // namespace muster::vmm
