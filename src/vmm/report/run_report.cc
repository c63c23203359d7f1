#include <muster/vmm/report/run_report.h>

namespace muster::vmm {

const vcpu::Inspection* RunReport::Find(int cpu) const {
  for (const vcpu::Inspection& vcpu : vcpus) {
    if (vcpu.cpu == cpu) return &vcpu;
  }
  return nullptr;
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
    if (vcpu.registers_known) addresses.push_back(AddressOf(vcpu));
  }
  if (report.ending && report.ending->fault) {
    addresses.push_back(report.AddressOf(*report.ending->fault));
  }
  return addresses;
}

}  // namespace muster::vmm
