#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muster::bench {

// Measurements of one thing.
class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  size_t size() const { return values_.size(); }
  double Median() const { return Quantile(0.5); }
  // 0 to 1, between neighbours by linear interpolation. At least one sample is there.
  double Quantile(double q) const;

  // In which the median of what was sampled lies, in 95 of 100 cases: by the order of the samples
  // alone, however they are distributed.
  struct Interval {
    double low, high;
  };
  Interval MedianInterval() const;

  // Sample by sample, of what was measured in turn: what both met alike drops out. As many in each.
  static Samples Quotients(const Samples& over, const Samples& under);

 private:
  std::vector<double> values_;
};

// Calls each of `rivals` in turn, `repeats` times over, so that what else the machine does meets
// all of them alike. The first turn warms up and does not count.
std::vector<Samples> Interleave(int repeats, const std::vector<std::function<double()>>& rivals);

}  // namespace muster::bench
