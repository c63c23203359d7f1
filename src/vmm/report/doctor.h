#pragma once

#include <string>
#include <vector>

#include <muster/vmm/report/style.h>

namespace muster::vmm {

// One thing that decides whether, or how, this host runs guests.
struct Finding {
  enum class Verdict {
    kYes,
    kNo,    // guests cannot run until it is mended
    kNote,  // guests run, and this is how
  };
  std::string id;  // for machines: "api-version"
  Verdict verdict;
  std::string what;   // "KVM API version 12"
  std::string value;  // what was found
  std::string mend;   // where there is one
};

// What `muster doctor` found.
struct Diagnosis {
  std::vector<Finding> findings;

  bool CanRun() const;
};

// Looks at the KVM device `path` and at this process's limits. Runs a probe VM, some milliseconds.
Diagnosis DiagnoseHost(const std::string& path);

std::string RenderDiagnosis(const Diagnosis& diagnosis, const Style& style);

}  // namespace muster::vmm
