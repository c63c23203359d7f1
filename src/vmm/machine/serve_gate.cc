// The gate ports: what a vCPU says of itself goes to the keeper of the gates.
#include <cstring>
#include <fmt/format.h>

#include <muster/vcpu/run/vcpu.h>
#include <muster/vmm/machine/machine.h>

namespace muster::vmm {

void Machine::LetGo(int cpu) { vm_->vcpu(cpu).LetGo(); }

void Machine::ServeGate(int cpu, const vcpu::PortExit& exit) {
  if (!exit.is_write) {
    std::memset(exit.data.data(), 0, exit.data.size());
    const bool is_asked = exit.port == GatePort::kGate && exit.data.size() == 4;
    if (is_asked && config_.gates != nullptr) {
      std::memcpy(exit.data.data(), &GatePort::kMagic, sizeof(GatePort::kMagic));
    }
    return;
  }
  if (config_.gates == nullptr) return;
  uint32_t value = 0;
  if (exit.data.size() != sizeof(value)) {
    config_.gates->Misused(cpu, fmt::format("a write of {} bytes to port {:#x}, which takes 4",
                                            exit.data.size(), exit.port));
    return;
  }
  std::memcpy(&value, exit.data.data(), sizeof(value));
  if (exit.port == GatePort::kWait && value == 0) return config_.gates->Waits(cpu, std::nullopt);

  const auto fail = [&](const absl::Status& status) {
    End({.kind = Ending::Kind::kHostFailure,
         .detail = fmt::format("vCPU {}, at a gate: {}", cpu, status.ToString())});
  };
  vcpu::Vcpu& vcpu = vm_->vcpu(cpu);
  const absl::StatusOr<vcpu::Inspection> at = vcpu.Inspect();
  if (!at.ok()) return fail(at.status());
  if (exit.port == GatePort::kWait) {
    if (const auto wait = GatePort::ReadWait(memory_, *at, value)) {
      config_.gates->Waits(cpu, wait);
    } else {
      config_.gates->Misused(cpu, fmt::format("{:#x}, written to port {:#x}, is not the address of "
                                              "a struct Wait",
                                              value, exit.port));
    }
    return;
  }
  const auto name =
      exit.port == GatePort::kGate ? GatePort::ReadName(memory_, *at, value) : std::nullopt;
  if (!name) {
    config_.gates->Misused(cpu, fmt::format("{:#x}, written to port {:#x}, is not the address of a "
                                            "gate's name",
                                            value, exit.port));
    return;
  }
  // First held, then told of: whoever decides to let it go may do so at once.
  if (const absl::Status status = vcpu.Hold(); !status.ok()) return fail(status);
  config_.gates->Arrived(*at, *name);
}

}  // namespace muster::vmm
