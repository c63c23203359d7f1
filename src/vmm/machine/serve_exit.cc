// What a machine does about its vCPUs' exits.
#include <cstring>
#include <fmt/format.h>

#include <muster/vcpu/run/vcpu.h>
#include <muster/vmm/machine/machine.h>

namespace muster::vmm {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

bool Machine::Serve(int cpu, vcpu::Exit& exit) {
  return std::visit(
      Overloaded{
          [&](vcpu::PortExit& port) {
            ServePort(cpu, port);
            return true;
          },
          [&](vcpu::MmioExit& mmio) {
            ServeMmio(mmio);
            return true;
          },
          [&](vcpu::MsrExit& msr) {
            ServeMsr(msr);
            return true;
          },
          [&](vcpu::StoppedExit&) { return false; },
          [&](vcpu::GuestFaultExit& fault) {
            GuestFault kept{
                cpu, fault.kind, fault.detail, fault.rip, {fault.bytes.begin(), fault.bytes.end()}};
            cpus_[static_cast<size_t>(cpu)].fault = kept;
            std::string what = Describe(kept);
            End({.kind = Ending::Kind::kGuestCrash,
                 .detail = std::move(what),
                 .fault = std::move(kept)});
            return false;
          },
          [&](vcpu::HostErrorExit& error) {
            End({.kind = Ending::Kind::kHostFailure,
                 .detail = fmt::format("vCPU {}: {}", cpu, error.status.ToString())});
            return false;
          },
      },
      exit);
}

void Machine::ServePort(int cpu, const vcpu::PortExit& exit) {
  if (exit.port == BootRom::kRestartPort && exit.is_write && IsInBootRom(cpu)) return Restart();
  if (exit.port >= GatePort::kGate && exit.port - GatePort::kGate < GatePort::kPorts) {
    return ServeGate(cpu, exit);
  }
  for (uint32_t i = 0; i < exit.count; ++i) {
    uint8_t* const element = exit.data.data() + i * exit.size;
    uint32_t value = 0;
    if (exit.is_write) {
      std::memcpy(&value, element, exit.size);
      devices_.ports().Write(exit.port, exit.size, value);
    } else {
      value = devices_.ports().Read(exit.port, exit.size);
      std::memcpy(element, &value, exit.size);
    }
  }
}

bool Machine::IsInBootRom(int cpu) {
  constexpr uint64_t kCr0Protection = 1;
  const absl::StatusOr<vcpu::Inspection> at = vm_->vcpu(cpu).Inspect();
  // Without protection, and so without paging, an address is where it says it is.
  return cpu == 0 && at.ok() && at->registers_known && !(at->cr0 & kCr0Protection) &&
         BootRom::Contains(at->linear_rip());
}

// No device has registers in memory yet.
void Machine::ServeMmio(const vcpu::MmioExit& exit) {
  if (exit.is_write) {
    unknown_addresses_.CountWrite(exit.address);
  } else {
    unknown_addresses_.CountRead(exit.address);
    std::memset(exit.data.data(), 0xff, exit.data.size());
  }
}

// The guest gets its #GP(0).
void Machine::ServeMsr(const vcpu::MsrExit& exit) {
  if (exit.is_write) {
    unknown_msrs_.CountWrite(exit.index);
  } else {
    unknown_msrs_.CountRead(exit.index);
  }
}

}  // namespace muster::vmm
