#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "samples.h"

namespace muster::bench {

// One bound: what was measured, against what, and how it came out.
struct Result {
  std::string what;
  std::string rival;
  std::string unit;
  Samples ours, theirs;
  double wanted = 0;    // the most that the quotient may be
  std::string skipped;  // why nothing was measured, where that is so
  // The quotient is the median of those of samples that were taken in turn, not that of the
  // medians: for a bound that is narrower than what the machine does meanwhile.
  bool in_turn = false;

  double ratio() const {
    return in_turn ? Samples::Quotients(ours, theirs).Median() : ours.Median() / theirs.Median();
  }
  bool met() const { return !skipped.empty() || ratio() <= wanted; }
};

// Where it was measured, in a line: the KVM, the kernel, the processor, the day.
std::string DescribeHost();

std::string ToText(const std::vector<Result>& results);
std::string ToMarkdown(const std::vector<Result>& results);
std::string ToJson(const std::vector<Result>& results, const std::string& host);

}  // namespace muster::bench
