#include <fmt/format.h>

#include <muster/vmm/machine/defects.h>

namespace muster::vmm {

std::string DescribeDefects(const rendezvous::Counters& counters) {
  std::string text;
  const auto add = [&](uint64_t count, const char* what) {
    if (count == 0) return;
    text += fmt::format("{}{} times {}", text.empty() ? "" : ", ", count, what);
  };
  add(counters.overruns, "a CPU entered the guest that was told to meet first");
  add(counters.escapes, "a CPU entered the guest in a standstill");
  add(counters.lost_wakes, "a CPU slept that had reason to be awake");
  return text.empty() ? "" : "a defect of muster itself: " + text;
}

}  // namespace muster::vmm
