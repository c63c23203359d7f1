#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace muster::apic {

/// Bits kHigh to kLow of a register, numbered as the manuals do. A single bit is a bool.
template <unsigned kHigh, unsigned kLow = kHigh,
          typename T = std::conditional_t<kHigh == kLow, bool, uint32_t>>
struct Bits {
  static_assert(kLow <= kHigh && kHigh < 64);
  /// What Get() gives and Set() takes.
  using Value = T;
  static constexpr unsigned kShift = kLow;
  static constexpr uint64_t kMask = (~uint64_t{0} >> (63 - kHigh + kLow)) << kLow;
};

/// All bits of these fields.
template <typename... Fields>
inline constexpr uint64_t kMaskOf = (uint64_t{0} | ... | Fields::kMask);

/// Whether the fields name every bit of a Raw, none of them twice.
template <typename Raw, typename... Fields>
inline constexpr bool kPartition =
    kMaskOf<Fields...> == std::numeric_limits<Raw>::max() &&
    (0 + ... + std::popcount(Fields::kMask)) == std::numeric_limits<Raw>::digits;

/// The value of a register. A register is a struct that derives from this and names its fields.
template <typename RawType>
struct RegisterValue {
  /// As wide as the register.
  using Raw = RawType;

  /// All bits clear.
  constexpr RegisterValue() = default;
  /// All bits as given, reserved ones too.
  constexpr explicit RegisterValue(Raw value) : raw(value) {}

  /// One of the fields that the register names.
  template <typename Field>
  constexpr typename Field::Value Get() const {
    return static_cast<typename Field::Value>((raw & Field::kMask) >> Field::kShift);
  }

  /// Stores one field: of the value as many low bits as it has. The others keep theirs.
  template <typename Field>
  constexpr void Set(typename Field::Value value) {
    raw = static_cast<Raw>((raw & ~Field::kMask) |
                           ((static_cast<uint64_t>(value) << Field::kShift) & Field::kMask));
  }

  bool operator==(const RegisterValue&) const = default;

  Raw raw = 0;
};

}  // namespace muster::apic
