#pragma once

#include <optional>
#include <string>

#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// Remembers how the run was ended first, and counts resets of the processors.
class FirstEnding : public RunControl {
 public:
  void End(Ending ending) override {
    if (!ending_) ending_ = ending;
  }
  void SoftReset() override { ++soft_resets; }
  std::string Word() const { return ending_ ? ToString(ending_->kind) : "none"; }
  const std::optional<Ending>& get() const { return ending_; }
  int soft_resets = 0;

 private:
  std::optional<Ending> ending_;
};

struct NoLines : IrqSink {
  void SetLine(unsigned, bool) override {}
};

}  // namespace muster::vmm
