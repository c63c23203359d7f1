#include <fmt/format.h>
#include <iterator>

#include <muster/rendezvous/cpu_set.h>

namespace muster::rendezvous {

std::string CpuSet::ToString() const {
  std::string text;
  for (int first = First(); first != kMaxCpus;) {
    int last = first;
    while (Contains(last + 1)) ++last;
    if (!text.empty()) text += ',';
    text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    first = First(last + 1);
  }
  return text.empty() ? "none" : text;
}

}  // namespace muster::rendezvous
