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

std::vector<uint64_t> AddressesOf(const RunReport& report) {
  std::vector<uint64_t> addresses;
  for (const vcpu::Inspection& vcpu : report.vcpus) {
    if (vcpu.registers_known) addresses.push_back(vcpu.cs_base + vcpu.rip);
  }
  if (report.ending && report.ending->fault) addresses.push_back(report.ending->fault->rip);
  return addresses;
}

}  // namespace muster::vmm
