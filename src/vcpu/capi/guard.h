#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <pthread.h>
#include <span>

#include <muster/vcpu/capi/c_vm.h>
#include <muster/vcpu/capi/handle.h>
#include <muster/vcpu/capi/muster.h>

namespace muster::vcpu::capi {

// Writes what became of `function` into `error` where there is a place for it, and returns the
// code. Allocates nothing.
int32_t Report(const char* function, absl::StatusCode code, absl::string_view message,
               muster_error* error) noexcept;

// Keeps the calling thread from being cancelled while this lives: glibc has it unwind as if by an
// exception, which may not leave the library, and run locks would be left behind.
class NotCancelled {
 public:
  NotCancelled() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NotCancelled() { pthread_setcancelstate(before_, nullptr); }
  NotCancelled(const NotCancelled&) = delete;
  NotCancelled& operator=(const NotCancelled&) = delete;

 private:
  int before_;
};

// Runs `body`, which returns a Status; what it throws is one as well.
template <typename Body>
int32_t Guard(const char* function, muster_error* error, Body&& body) noexcept {
  const NotCancelled not_cancelled;
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

// InvalidArgument where a pointer that is needed is NULL.
absl::Status Need(const void* pointer, const char* name);

// The sizes that a structure has had, the first version's first and this one's last.
using Sizes = std::span<const uint32_t>;

// Whether it is one of `sizes`, or that of a later version. Any other ends within a field.
bool IsSize(uint32_t size, Sizes sizes);

// InvalidArgument where it is not.
absl::Status CheckSize(uint32_t size, Sizes sizes, const char* name);

// InvalidArgument where `bytes` that are to be 0, for a later version to give them a meaning, are
// not: what that version would do is not done.
absl::Status NeedZero(std::span<const uint8_t> bytes, const char* name);

// What `given` holds of a structure that begins with its size, over `defaults`; what a later
// version has put behind it has to be zero.
template <typename Struct>
absl::StatusOr<Struct> Take(const Struct* given, Sizes sizes, const char* name, Struct defaults) {
  if (absl::Status status = Need(given, name); !status.ok()) return status;
  absl::Status status = CheckSize(given->size, sizes, name);
  if (!status.ok()) return status;
  if (given->size > sizeof(Struct)) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(given);
    status = NeedZero({bytes + sizeof(Struct), given->size - sizeof(Struct)}, name);
    if (!status.ok()) return status;
  }
  std::memcpy(&defaults, given, std::min<size_t>(given->size, sizeof(Struct)));
  return defaults;
}

// The bytes of `made` in a structure of `size` bytes, as the caller knows it; what a later version
// has put behind them is 0.
template <typename Struct>
void Put(const Struct& made, uint32_t size, Struct* to) {
  const size_t known = std::min<size_t>(size, sizeof(Struct));
  std::memcpy(to, &made, known);
  std::memset(reinterpret_cast<uint8_t*>(to) + known, 0, size - known);
}

// `made` as the caller's structure of `size` bytes begins. Where that is no size of any version the
// size alone is set: whoever takes the structure says what is wrong.
template <typename Struct>
void Init(Struct* given, uint32_t size, Sizes sizes, const Struct& made) {
  if (given == nullptr || size < sizeof(size)) return;
  if (IsSize(size, sizes)) Put(made, size, given);
  given->size = size;
}

// `made` to a caller whose structure says its size, which is checked: how much is known to both is
// its size then.
template <typename Struct>
void Give(const Struct& made, Struct& to) {
  const uint32_t size = to.size;
  Put(made, size, &to);
  to.size = static_cast<uint32_t>(std::min<size_t>(size, sizeof(Struct)));
}

}  // namespace muster::vcpu::capi
