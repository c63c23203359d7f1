#include <algorithm>

#include <muster/vmm/report/run_report.h>

namespace muster::vmm {

const vcpu::Inspection* RunReport::Find(int cpu) const {
  for (const vcpu::Inspection& vcpu : vcpus) {
    if (vcpu.cpu == cpu) return &vcpu;
  }
  return nullptr;
}

const GuestFault* RunReport::FaultOf(int cpu) const {
  const auto fault = std::find_if(faults.begin(), faults.end(),
                                  [cpu](const GuestFault& one) { return one.cpu == cpu; });
  return fault == faults.end() ? nullptr : &*fault;
}

std::string RunReport::Line(uint64_t address) const {
  const auto line = lines.find(address);
  return line == lines.end() ? "" : line->second;
}

uint64_t RunReport::AddressOf(const GuestFault& fault) const {
  const vcpu::Inspection* vcpu = Find(fault.cpu);
  return (vcpu != nullptr && vcpu->registers_known ? vcpu->cs_base : 0) + fault.rip;
}

std::vector<uint64_t> AddressesOf(const RunReport& report) {
  std::vector<uint64_t> addresses;
  for (const vcpu::Inspection& vcpu : report.vcpus) {
    if (vcpu.registers_known) addresses.push_back(vcpu.linear_rip());
  }
  for (const GuestFault& fault : report.faults) addresses.push_back(report.AddressOf(fault));
  return addresses;
}

}  // namespace muster::vmm
