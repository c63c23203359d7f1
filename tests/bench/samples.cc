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

Samples::Interval Samples::MedianInterval() const {
  const double half = 0.98 / std::sqrt(static_cast<double>(size()));  // 1.96 / 2: the binomial's
  return {Quantile(std::max(0.0, 0.5 - half)), Quantile(std::min(1.0, 0.5 + half))};
}

Samples Samples::Quotients(const Samples& over, const Samples& under) {
  Samples quotients;
  for (size_t i = 0; i < over.size(); ++i) quotients.Add(over.values_[i] / under.values_[i]);
  return quotients;
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
