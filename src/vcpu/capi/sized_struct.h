#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

// Structures of <muster.h> that begin with their size, and may be those of an earlier or a later
// version of it.
namespace muster::vcpu::capi {

// InvalidArgument: `name` is NULL.
absl::Status NullError(const char* name);
// That where a pointer that is needed is NULL.
inline absl::Status Need(const void* pointer, const char* name) {
  return pointer != nullptr ? absl::OkStatus() : NullError(name);
}

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
