#pragma once

#include <string>
#include <vector>

#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// In a few columns: "port 3f8", "inject 41", "post 30 to 2".
std::string DescribeEvent(const vcpu::Event& event);

// What each vCPU did last, a row each; those that did the same share one. "" where nothing was
// recorded.
std::string RenderLastEvents(const RunReport& report, const Style& style);

}  // namespace muster::vmm
