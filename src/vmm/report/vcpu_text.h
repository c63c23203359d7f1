#pragma once

#include <string>

#include <muster/vmm/report/run_report.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {

// Words for parts of an Inspection.
std::string DescribeFlags(uint64_t rflags);                     // "IF ZF"
std::string DescribeVectors(const std::vector<uint8_t>& list);  // "30 ef", "-", "31 ef +5"
// Which vectors wait in IRR, and what withholds them: "35 held by TPR 40"; "" for none.
std::string DescribeHeld(const vcpu::Inspection& vcpu);
std::string DescribeWait(const vcpu::Inspection& vcpu, uint64_t now_ns);
std::string DescribeRip(const vcpu::Inspection& vcpu, const SymbolTable& symbols);

// Where every vCPU stands, a row each; neighbours that stand alike share one.
std::string RenderVcpus(const RunReport& report, const Style& style);

// Registers of one vCPU, for a crash.
std::string RenderRegisters(const vcpu::Inspection& vcpu);

}  // namespace muster::vmm
