// What is cast from an enumeration of C++ to the number that C has, or back: they are the same.
#include <absl/status/status.h>

#include <muster/apic/message.h>
#include <muster/vcpu/capi/muster.h>
#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/run_state.h>
#include <muster/vcpu/run/start_state.h>

namespace muster::vcpu::capi {
namespace {

template <typename Enum>
constexpr bool Is(int of_c, Enum of_cpp) {
  return of_c == static_cast<int>(of_cpp);
}

static_assert(Is(MUSTER_OK, absl::StatusCode::kOk));
static_assert(Is(MUSTER_UNKNOWN, absl::StatusCode::kUnknown));
static_assert(Is(MUSTER_INVALID_ARGUMENT, absl::StatusCode::kInvalidArgument));
static_assert(Is(MUSTER_DEADLINE_EXCEEDED, absl::StatusCode::kDeadlineExceeded));
static_assert(Is(MUSTER_NOT_FOUND, absl::StatusCode::kNotFound));
static_assert(Is(MUSTER_ALREADY_EXISTS, absl::StatusCode::kAlreadyExists));
static_assert(Is(MUSTER_PERMISSION_DENIED, absl::StatusCode::kPermissionDenied));
static_assert(Is(MUSTER_RESOURCE_EXHAUSTED, absl::StatusCode::kResourceExhausted));
static_assert(Is(MUSTER_FAILED_PRECONDITION, absl::StatusCode::kFailedPrecondition));
static_assert(Is(MUSTER_UNIMPLEMENTED, absl::StatusCode::kUnimplemented));
static_assert(Is(MUSTER_INTERNAL, absl::StatusCode::kInternal));
static_assert(Is(MUSTER_UNAVAILABLE, absl::StatusCode::kUnavailable));

static_assert(Is(MUSTER_START_REAL, StartState::Mode::kReal));
static_assert(Is(MUSTER_START_PROTECTED32, StartState::Mode::kProtected32));
static_assert(Is(MUSTER_START_LONG64, StartState::Mode::kLong64));

static_assert(Is(MUSTER_FAULT_TRIPLE, GuestFaultExit::Kind::kTripleFault));
static_assert(Is(MUSTER_FAULT_EMULATION, GuestFaultExit::Kind::kEmulationFailure));
static_assert(Is(MUSTER_FAULT_ENTRY, GuestFaultExit::Kind::kEntryFailure));
static_assert(Is(MUSTER_FAULT_APIC_OVER_RAM, GuestFaultExit::Kind::kApicOverRam));
static_assert(Is(MUSTER_FAULT_UNEXPECTED_EXIT, GuestFaultExit::Kind::kUnexpectedExit));

static_assert(Is(MUSTER_DELIVER_FIXED, apic::DeliveryMode::kFixed));
static_assert(Is(MUSTER_DELIVER_LOWEST_PRIORITY, apic::DeliveryMode::kLowestPriority));
static_assert(Is(MUSTER_DELIVER_SMI, apic::DeliveryMode::kSmi));
static_assert(Is(MUSTER_DELIVER_NMI, apic::DeliveryMode::kNmi));
static_assert(Is(MUSTER_DELIVER_INIT, apic::DeliveryMode::kInit));
static_assert(Is(MUSTER_DELIVER_STARTUP, apic::DeliveryMode::kStartup));
static_assert(Is(MUSTER_DELIVER_EXTINT, apic::DeliveryMode::kExtInt));

static_assert(Is(MUSTER_STATE_WAIT_FOR_SIPI, RunState::kWaitForSipi));
static_assert(Is(MUSTER_STATE_RUNNING, RunState::kRunning));
static_assert(Is(MUSTER_STATE_HALTED, RunState::kHalted));
static_assert(Is(MUSTER_STATE_OFFLINE, RunState::kOffline));

}  // namespace
}  // namespace muster::vcpu::capi
