#include <fmt/format.h>

#include <muster/vmm/machine/defects.h>

namespace muster::vmm {

std::string DescribeDefects(const rendezvous::Counters& counters) {
  std::string text;
  const auto add = [&](uint64_t count, const char* what) {
    if (count == 0) return;
    text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", what, count);
  };
  add(counters.overruns, "a CPU that was told to meet others first has entered the guest");
  add(counters.escapes, "a CPU that stood still has entered the guest");
  add(counters.lost_wakes, "a CPU that had reason to be awake has slept");
  return text;
}

}  // namespace muster::vmm
