#include "samples.h"

#include <algorithm>
#include <cmath>

namespace muster::bench {

double Samples::Quantile(double q) const {
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

std::vector<Samples> Interleave(int repeats, const std::vector<std::function<double()>>& rivals) {
  std::vector<Samples> all(rivals.size());
  for (int turn = 0; turn <= repeats; ++turn) {
    for (size_t i = 0; i < rivals.size(); ++i) {
      const double value = rivals[i]();
      if (turn != 0) all[i].Add(value);
    }
  }
  return all;
}

}  // namespace muster::bench
