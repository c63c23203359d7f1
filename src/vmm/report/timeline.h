#pragma once

#include <string>
#include <vector>

#include <muster/vcpu/run/run_state.h>
#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// A stretch of one vCPU's life.
struct Span {
  uint64_t begin_ns, end_ns;
  vcpu::RunState state;
};

// The states of one vCPU from `begin_ns` to `end_ns`, by its kState events; without any, it was
// in `last` all the time. What was before the events of a ring that has wrapped is not known: pass
// the first one's time as `begin_ns` then.
std::vector<Span> SpansOf(const std::vector<vcpu::Event>& events, uint64_t begin_ns,
                          uint64_t end_ns, vcpu::RunState last);

// The CPUs coming up, over one time axis: a row each, the height of a column being how much of that
// time the CPU ran. With more than 32 CPUs neighbours share a row. "" where nothing was recorded.
std::string RenderTimeline(const RunReport& report, const Style& style);

}  // namespace muster::vmm
