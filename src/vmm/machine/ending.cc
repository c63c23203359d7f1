#include <fmt/format.h>

#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

std::string Describe(const GuestFault& fault) {
  using Kind = vcpu::GuestFaultExit::Kind;
  switch (fault.kind) {
    case Kind::kTripleFault:
      return "triple fault (KVM_EXIT_SHUTDOWN)";
    case Kind::kEmulationFailure:
      if (fault.no_code) {
        return fmt::format(
            "it jumped to {:#x}, where there is no RAM to execute (KVM_EXIT_INTERNAL_ERROR, "
            "emulation)",
            fault.rip);
      }
      return "this KVM cannot execute the instruction (KVM_EXIT_INTERNAL_ERROR, emulation)";
    case Kind::kEntryFailure:
      return fmt::format(
          "the processor refused the guest's state (KVM_EXIT_FAIL_ENTRY, reason {:#x})",
          fault.detail);
    case Kind::kApicOverRam:
      return fmt::format(
          "IA32_APIC_BASE was moved onto RAM at {:#x}, where this KVM would not let "
          "its accesses exit",
          fault.detail);
    case Kind::kUnexpectedExit:
      return fmt::format("KVM gave up with exit reason {}", fault.detail);
  }
  return "?";
}

const char* ToString(vcpu::GuestFaultExit::Kind kind) {
  using Kind = vcpu::GuestFaultExit::Kind;
  switch (kind) {
    case Kind::kTripleFault:
      return "triple-fault";
    case Kind::kEmulationFailure:
      return "emulation-failure";
    case Kind::kEntryFailure:
      return "entry-failure";
    case Kind::kApicOverRam:
      return "apic-over-ram";
    case Kind::kUnexpectedExit:
      return "unexpected-exit";
  }
  return "?";
}

const char* ToString(Ending::Kind kind) {
  switch (kind) {
    case Ending::Kind::kPowerOff:
      return "power-off";
    case Ending::Kind::kReset:
      return "reset";
    case Ending::Kind::kGuestExit:
      return "guest-exit";
    case Ending::Kind::kGuestCrash:
      return "guest-crash";
    case Ending::Kind::kNoProgress:
      return "no-progress";
    case Ending::Kind::kTimeout:
      return "timeout";
    case Ending::Kind::kInterrupted:
      return "interrupted";
    case Ending::Kind::kOutputLost:
      return "output-lost";
    case Ending::Kind::kHostFailure:
      return "host-failure";
    case Ending::Kind::kDefect:
      return "defect";
  }
  return "?";
}

int ExitStatusOf(const Ending& ending) {
  switch (ending.kind) {
    case Ending::Kind::kPowerOff:
    case Ending::Kind::kReset:
      return kExitClean;
    case Ending::Kind::kGuestExit:
      return static_cast<int>((ending.guest_value << 1 | 1) & 0xff);
    case Ending::Kind::kGuestCrash:
      return kExitGuestCrash;
    case Ending::Kind::kNoProgress:
      return kExitNoProgress;
    case Ending::Kind::kTimeout:
      return kExitTimeout;
    case Ending::Kind::kInterrupted:
      return kExitInterrupted;
    case Ending::Kind::kOutputLost:
    case Ending::Kind::kHostFailure:
    case Ending::Kind::kDefect:
      return kExitHostFailure;
  }
  return kExitHostFailure;
}

bool IsPass(const Ending& ending) {
  switch (ending.kind) {
    case Ending::Kind::kPowerOff:
    case Ending::Kind::kReset:
      return true;
    case Ending::Kind::kGuestExit:
      return ending.guest_value == 0;
    default:
      return false;
  }
}

bool IsTruncated(const Ending& ending) {
  return ending.kind == Ending::Kind::kGuestExit && ending.guest_value > 127;
}

}  // namespace muster::vmm
