#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <exception>
#include <new>

#include <muster/vcpu/capi/c_vm.h>
#include <muster/vcpu/capi/handle.h>
#include <muster/vcpu/capi/muster.h>
#include <muster/vcpu/run/not_cancelled.h>

namespace muster::vcpu::capi {

// Writes what became of `function` into `error` where there is a place for it, and returns the
// code. Allocates nothing.
int32_t Report(const char* function, absl::StatusCode code, absl::string_view message,
               muster_error* error) noexcept;

// Runs `body`, which returns a Status; what it throws is one as well. `body` comes to no point at
// which a thread is cancelled, or holds that off itself.
template <typename Body>
int32_t Catching(const char* function, muster_error* error, Body&& body) noexcept {
  try {
    const absl::Status status = body();
    if (status.ok()) return MUSTER_OK;
    const auto message = status.message();  // Debian's Abseil has a string_view of its own
    return Report(function, status.code(), {message.data(), message.size()}, error);
  } catch (const std::bad_alloc&) {
    return Report(function, absl::StatusCode::kResourceExhausted, "out of memory", error);
  } catch (const std::exception& thrown) {
    return Report(function, absl::StatusCode::kInternal, thrown.what(), error);
  } catch (...) {
    return Report(function, absl::StatusCode::kInternal, "a callback threw what is no exception",
                  error);
  }
}

// The same, with cancellation held off.
template <typename Body>
int32_t Guard(const char* function, muster_error* error, Body&& body) noexcept {
  const NotCancelled not_cancelled;
  return Catching(function, error, body);
}

// The same with the VM of a handle.
template <typename Body>
int32_t WithVm(const char* function, muster_vm* handle, muster_error* error, Body&& body) noexcept {
  return Guard(function, error, [&] {
    const Held held(handle);
    return held.vm() != nullptr ? body(*held.vm()) : held.status();
  });
}

// And with one of its vCPUs.
template <typename Body>
int32_t WithVcpu(const char* function, muster_vm* handle, int32_t cpu, muster_error* error,
                 Body&& body) noexcept {
  return WithVm(function, handle, error, [&](CVm& vm) {
    const absl::StatusOr<Vcpu*> vcpu = vm.Find(cpu);
    return vcpu.ok() ? body(**vcpu) : vcpu.status();
  });
}

}  // namespace muster::vcpu::capi
