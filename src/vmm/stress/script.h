#pragma once

#include <absl/status/statusor.h>
#include <optional>
#include <string>
#include <vector>

namespace muster::vmm {

// How a forced run ends.
enum class Outcome {
  kFailed,     // the interleaving happened, and the harm with it: the signature was seen
  kSurvived,   // the interleaving happened, and did no harm
  kPrevented,  // a wait of the guest's made the interleaving unreachable
};

// "failed" ...
const char* ToString(Outcome outcome);

// vCPU `cpu` comes to `gate` for the `visit`th time, counted from 1.
struct GateVisit {
  int cpu = 0;
  std::string gate;
  int visit = 1;

  bool operator==(const GateVisit&) const = default;
};

// "cpu 1 at reset-done", with " #2" for the second visit.
std::string ToString(const GateVisit& visit);

// Who is held there until who has arrived where.
struct Hold {
  GateVisit at;
  std::vector<GateVisit> until;  // all of them
  int line = 0;
};

// One way to build the protocol, and how its runs are due to end.
struct Variant {
  std::string name;
  std::optional<Outcome> due;
  std::vector<Hold> holds;
};

// An interleaving of a guest's CPUs, as text:
//
//   # FreeBSD's 2011 deadlock.
//   cpus 3
//   variant 2011 failed
//   variant waiters3 prevented
//   hold cpu 2 at exit-added until cpu 1 at reset-done
//   in waiters3: hold cpu 1 at exit #2 until cpu 0 at left and cpu 2 at left
//
// `cpus` comes first. A guest is told its variant by the word variant=NAME. Where no variants are
// named there is one without a name, and nothing is due.
struct Script {
  int cpus = 0;
  std::vector<Variant> variants;

  const Variant* Find(const std::string& name) const;
};

// InvalidArgument: "FILE:LINE: what is wrong; what would be right".
absl::StatusOr<Script> ParseScript(const std::string& file, const std::string& text);

}  // namespace muster::vmm
