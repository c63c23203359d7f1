#pragma once

#include <vector>

#include <muster/vmm/report/run_report.h>

namespace muster::vmm::testing {

inline constexpr uint64_t kMs = 1'000'000;

// A vCPU, whose registers are known unless it waits for SIPI.
vcpu::Inspection Cpu(int cpu, vcpu::RunState state);

// 10 ms of a guest with two symbols, main and idle.
RunReport Report(std::vector<vcpu::Inspection> vcpus);

// One that runs, one that is halted, one that waits for its timer, three that wait for SIPI.
RunReport Mixed();

vcpu::Event At(uint64_t ns, vcpu::EventKind kind, uint64_t a = 0, uint64_t b = 0);
vcpu::Event State(uint64_t ns, int cpu, vcpu::RunState from, vcpu::RunState to);

// Adds a fault; the first ends the run.
void Crash(RunReport& report, const GuestFault& fault);

}  // namespace muster::vmm::testing
