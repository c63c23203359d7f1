#pragma once

#include <muster/vcpu/run/exit.h>

namespace muster::vcpu {

class Vcpu;

// What a guest reaches beyond its processors and memory, as callbacks: see Vcpu::Run(Devices&).
//
// Each is called on the thread that runs the vCPU, with none of the library's locks held, and may
// block: the vCPU counts as one in its caller's hands, and only who wants it in particular waits.
// It may call everything that says so in docs/embedding.md; a message or line of the same Vm comes
// from this vCPU then, as by Vcpu::SendMessage and Vcpu::SetLine. One that throws leaves Run as if
// it had returned kReturn.
//
// One object may serve several vCPUs, at once.
class Devices {
 public:
  // What becomes of the exit.
  enum class Then : unsigned char {
    kGoOn,    // the exit is served
    kReturn,  // Run returns it; its caller serves it, or has seen it served
  };

  virtual ~Devices() = default;

  // IN or OUT; what is read goes to exit.data.
  virtual Then Port(Vcpu& /*vcpu*/, const PortExit& /*exit*/) { return Then::kReturn; }
  // An access to no memory; what is read goes to exit.data.
  virtual Then Mmio(Vcpu& /*vcpu*/, const MmioExit& /*exit*/) { return Then::kReturn; }
  // RDMSR or WRMSR; kGoOn without `*exit.fault` cleared is #GP(0).
  virtual Then Msr(Vcpu& /*vcpu*/, const MsrExit& /*exit*/) { return Then::kReturn; }
};

}  // namespace muster::vcpu
