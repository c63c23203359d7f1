// <muster.h>: each function finds its VM, calls what the C++ interface has, and reports.
#include <csignal>
#include <iterator>

#include <muster/vcpu/capi/guard.h>
#include <muster/vcpu/capi/sized_struct.h>
#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/run/vcpu.h>

namespace muster::vcpu::capi {
namespace {

// Sizes of each structure as it has grown, the first one first. None is ever taken out.
constexpr uint32_t kConfigSizes[] = {104, 128}, kStartSizes[] = {80}, kDevicesSizes[] = {40},
                   kInspectionSizes[] = {240};
static_assert(sizeof(muster_config) == *std::rbegin(kConfigSizes) &&
              sizeof(muster_start) == *std::rbegin(kStartSizes) &&
              sizeof(muster_devices) == *std::rbegin(kDevicesSizes) &&
              sizeof(muster_inspection) == *std::rbegin(kInspectionSizes));
// One of these that grows needs an init that is told the size, as the others have: the plain one
// writes the whole.
static_assert(std::size(kStartSizes) == 1 && std::size(kDevicesSizes) == 1);

absl::StatusOr<StartState> ToStart(const muster_start* given) {
  muster_start defaults;
  muster_start_init(&defaults);
  const absl::StatusOr<muster_start> start = Take(given, kStartSizes, "muster_start", defaults);
  if (!start.ok()) return start.status();
  if (start->reserved != 0) return absl::InvalidArgumentError("muster_start: reserved is not 0");
  if (start->mode > MUSTER_START_LONG64 || start->gdt_limit > UINT16_MAX) {
    return absl::InvalidArgumentError("muster_start: mode is 0 to 2, gdt_limit below 65,536");
  }
  return StartState{.mode = static_cast<StartState::Mode>(start->mode),
                    .rip = start->rip,
                    .rsp = start->rsp,
                    .rax = start->rax,
                    .rbx = start->rbx,
                    .rsi = start->rsi,
                    .rdi = start->rdi,
                    .cr3 = start->cr3,
                    .gdt_base = start->gdt_base,
                    .gdt_limit = static_cast<uint16_t>(start->gdt_limit)};
}

absl::StatusOr<apic::Message> ToMessage(const muster_message* given) {
  if (absl::Status status = Need(given, "muster_message"); !status.ok()) return status;
  absl::Status status = NeedZero(given->reserved, "muster_message.reserved");
  if (!status.ok()) return status;
  const auto mode = static_cast<apic::DeliveryMode>(given->delivery_mode);
  if (given->delivery_mode > MUSTER_DELIVER_EXTINT || mode == apic::DeliveryMode::kReserved) {
    return absl::InvalidArgumentError("muster_message: there is no such delivery_mode");
  }
  return apic::Message{.destination = given->destination,
                       .x2apic = given->x2apic != 0,
                       .destination_mode = given->logical != 0 ? apic::DestinationMode::kLogical
                                                               : apic::DestinationMode::kPhysical,
                       .delivery_mode = mode,
                       .trigger_mode = given->level_triggered != 0 ? apic::TriggerMode::kLevel
                                                                   : apic::TriggerMode::kEdge,
                       .level = given->deasserted == 0,
                       .vector = given->vector};
}

std::span<uint8_t> Bytes(void* host, uint64_t count) {
  return {static_cast<uint8_t*>(host), static_cast<size_t>(count)};
}

// What the caller of a run sees of `from`; a status, and nothing else, where that was none of the
// guest's exits.
absl::Status Translate(const Exit& from, int32_t cpu, muster_exit& to) {
  if (const auto* port = std::get_if<PortExit>(&from)) {
    to.kind = MUSTER_EXIT_PORT;
    to.as.port = ToC(*port);
  } else if (const auto* mmio = std::get_if<MmioExit>(&from)) {
    to.kind = MUSTER_EXIT_MMIO;
    to.as.mmio = ToC(*mmio);
  } else if (const auto* msr = std::get_if<MsrExit>(&from)) {
    to.kind = MUSTER_EXIT_MSR;
    to.as.msr = ToC(*msr);
  } else if (const auto* stopped = std::get_if<StoppedExit>(&from)) {
    to.kind = stopped->removed ? MUSTER_EXIT_REMOVED : MUSTER_EXIT_STOPPED;
  } else if (const auto* fault = std::get_if<GuestFaultExit>(&from)) {
    to.kind = MUSTER_EXIT_FAULT;
    to.as.fault = {.detail = fault->detail,
                   .rip = fault->rip,
                   .bytes = fault->bytes.data(),
                   .byte_count = static_cast<uint32_t>(fault->bytes.size()),
                   .kind = static_cast<uint32_t>(fault->kind)};
  } else {
    return std::get<HostErrorExit>(from).status;
  }
  to.cpu = cpu;
  return absl::OkStatus();
}

absl::Status RunWith(const muster_devices* given, muster_vm* handle, Vcpu& vcpu,
                     muster_exit& exit) {
  const NotCancelled not_cancelled;  // in a callback, nor between two
  const absl::StatusOr<muster_devices> taken = Take(given, kDevicesSizes, "muster_devices", {});
  if (!taken.ok()) return taken.status();
  if (taken->reserved != 0) {
    return absl::InvalidArgumentError("muster_devices: reserved is not 0");
  }
  CDevices devices(handle, *taken);
  return Translate(vcpu.Run(devices), vcpu.index(), exit);
}

void Fill(const Inspection& from, muster_inspection& to) {
  to.state = static_cast<uint32_t>(from.state);
  to.apic_id = from.apic_id;
  to.held = from.held;
  to.registers_known = from.registers_known;
  to.x2apic = from.x2apic;
  to.deliverable = from.deliverable;
  to.rip = from.rip;
  to.rflags = from.rflags;
  to.cr0 = from.cr0;
  to.cr2 = from.cr2;
  to.cr3 = from.cr3;
  to.cr4 = from.cr4;
  to.cr8 = from.cr8;
  to.efer = from.efer;
  std::copy(from.gpr.begin(), from.gpr.end(), to.gpr);
  to.entries = from.counters.entries;
  to.interrupts = from.counters.injected;
  to.meetings = from.counters.meetings;
  to.kicks = from.counters.kicks;
}

}  // namespace
}  // namespace muster::vcpu::capi

// The functions below are what capi is for, and C has them outside of any namespace.
using namespace muster::vcpu::capi;  // NOLINT(google-build-using-namespace)
using muster::vcpu::Vcpu;

uint32_t muster_version(void) {
  return MUSTER_VERSION_MAJOR << 16 | MUSTER_VERSION_MINOR << 8 | MUSTER_VERSION_PATCH;
}

void muster_config_init_sized(muster_config* config, uint32_t size) {
  muster_config made{};
  made.cpus = 1;
  made.kvm_fd = -1;
  made.vm_fd = -1;
  made.kick_signal = SIGUSR1;
  made.ioapic_pins = 24;
  Init(config, size, kConfigSizes, made);
}

// Of programs that were built before the structure grew, and of other languages.
void(muster_config_init)(muster_config* config) {
  muster_config_init_sized(config, kConfigSizes[0]);
}

void muster_start_init(muster_start* start) {
  if (start == nullptr) return;
  *start = {};
  start->size = sizeof(*start);
  start->mode = MUSTER_START_PROTECTED32;
}

void muster_devices_init(muster_devices* devices) {
  if (devices == nullptr) return;
  *devices = {};
  devices->size = sizeof(*devices);
}

void muster_inspection_init_sized(muster_inspection* inspection, uint32_t size) {
  Init(inspection, size, kInspectionSizes, {});
}

void(muster_inspection_init)(muster_inspection* inspection) {
  muster_inspection_init_sized(inspection, kInspectionSizes[0]);
}

int32_t muster_vm_create(const muster_config* config, muster_vm** vm, muster_error* error) {
  return Guard(__func__, error, [&] {
    if (absl::Status status = Need(vm, "vm"); !status.ok()) return status;
    *vm = nullptr;
    muster_config defaults;
    muster_config_init(&defaults);
    const auto taken = Take(config, kConfigSizes, "muster_config", defaults);
    if (!taken.ok()) return taken.status();
    if (absl::Status status = NeedZero(taken->reserved, "muster_config.reserved"); !status.ok()) {
      return status;
    }
    auto made = CVm::Create(*taken);
    if (!made.ok()) return made.status();
    *vm = NewHandle(*std::move(made));
    return absl::OkStatus();
  });
}

int32_t muster_vm_destroy(muster_vm* vm, muster_error* error) {
  return Guard(__func__, error, [&] { return Destroy(vm); });
}

int32_t muster_vm_add_memory(muster_vm* vm, uint64_t gpa, void* host, uint64_t bytes,
                             int32_t read_only, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    return of.vm().memory().Add(gpa, Bytes(host, bytes), read_only != 0);
  });
}

int32_t muster_vm_note_memory(muster_vm* vm, uint64_t gpa, void* host, uint64_t bytes,
                              muster_error* error) {
  return WithVm(__func__, vm, error,
                [&](CVm& of) { return of.vm().memory().Note(gpa, Bytes(host, bytes)); });
}

int32_t muster_vm_note_read_only_memory(muster_vm* vm, uint64_t gpa, void* host, uint64_t bytes,
                                        muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    return of.vm().memory().Note(gpa, Bytes(host, bytes), /*read_only=*/true);
  });
}

int32_t muster_vm_set_start(muster_vm* vm, const muster_start* start, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    const auto state = ToStart(start);
    return state.ok() ? of.vm().SetStart(*state) : state.status();
  });
}

int32_t muster_vcpu_run(muster_vm* vm, int32_t cpu, const muster_devices* devices,
                        muster_exit* exit, muster_error* error) {
  // For a single exit each function that is called shows, and so would holding off cancellation,
  // which Vcpu::Run does itself where it has to.
  return Catching(__func__, error, [&] {
    const Held held(vm);
    if (held.vm() == nullptr) return held.status();
    if (absl::Status status = Need(exit, "muster_exit"); !status.ok()) return status;
    const absl::StatusOr<Vcpu*> vcpu = held.vm()->Find(cpu);
    if (!vcpu.ok()) return vcpu.status();
    return devices == nullptr ? Translate((*vcpu)->Run(), cpu, *exit)
                              : RunWith(devices, vm, **vcpu, *exit);
  });
}

int32_t muster_vm_stop(muster_vm* vm, muster_error* error) {
  return WithVm(__func__, vm, error, [](CVm& of) {
    of.vm().Stop();
    return absl::OkStatus();
  });
}

int32_t muster_vm_timer_expired(muster_vm* vm, int32_t cpu, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    of.vm().TimerExpired(cpu);
    return of.Find(cpu).status();
  });
}

int32_t muster_vm_add_vcpu(muster_vm* vm, int32_t cpu, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) { return of.vm().AddVcpu(cpu); });
}

int32_t muster_vm_remove_vcpu(muster_vm* vm, int32_t cpu, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) { return of.vm().RemoveVcpu(cpu); });
}

int32_t muster_vm_set_line(muster_vm* vm, uint32_t pin, int32_t asserted, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) { return of.vm().SetLine(pin, asserted != 0); });
}

int32_t muster_vm_extint_raised(muster_vm* vm, muster_error* error) {
  return WithVm(__func__, vm, error, [](CVm& of) { return of.ExtIntRaised(); });
}

int32_t muster_vm_send_msi(muster_vm* vm, uint64_t address, uint32_t data, muster_error* error) {
  return WithVm(__func__, vm, error,
                [&](CVm& of) { return of.vm().SendMsi({.address = address, .data = data}); });
}

int32_t muster_vm_send_message(muster_vm* vm, const muster_message* message, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    const auto sent = ToMessage(message);
    return sent.ok() ? of.vm().SendMessage(*sent) : sent.status();
  });
}

int32_t muster_vm_pause(muster_vm* vm, uint64_t timeout_ns, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) { return of.Pause(timeout_ns); });
}

int32_t muster_vm_resume(muster_vm* vm, muster_error* error) {
  return WithVm(__func__, vm, error, [](CVm& of) { return of.Resume(); });
}

int32_t muster_vcpu_hold(muster_vm* vm, int32_t cpu, muster_error* error) {
  return WithVcpu(__func__, vm, cpu, error, [](Vcpu& vcpu) { return vcpu.Hold(); });
}

int32_t muster_vcpu_let_go(muster_vm* vm, int32_t cpu, muster_error* error) {
  return WithVcpu(__func__, vm, cpu, error, [](Vcpu& vcpu) {
    vcpu.LetGo();
    return absl::OkStatus();
  });
}

int32_t muster_vcpu_start_again(muster_vm* vm, int32_t cpu, const muster_start* start,
                                muster_error* error) {
  return WithVcpu(__func__, vm, cpu, error, [&](Vcpu& vcpu) {
    const auto state = ToStart(start);
    return state.ok() ? vcpu.StartAgain(*state) : state.status();
  });
}

int32_t muster_vcpu_inspect(muster_vm* vm, int32_t cpu, muster_inspection* inspection,
                            muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    const absl::StatusOr<Vcpu*> vcpu = of.Find(cpu);
    absl::Status status = vcpu.status();
    if (status.ok()) status = Need(inspection, "muster_inspection");
    if (status.ok()) status = CheckSize(inspection->size, kInspectionSizes, "muster_inspection");
    if (!status.ok()) return status;
    const auto stands = of.Inspect(**vcpu);
    if (!stands.ok()) return stands.status();
    muster_inspection seen{};
    Fill(*stands, seen);
    Give(seen, *inspection);
    return absl::OkStatus();
  });
}

int32_t muster_vm_can_never_run_again(muster_vm* vm, int32_t* answer, muster_error* error) {
  return WithVm(__func__, vm, error, [&](CVm& of) {
    const absl::Status status = Need(answer, "answer");
    if (status.ok()) *answer = of.vm().CanNeverRunAgain() ? 1 : 0;
    return status;
  });
}
