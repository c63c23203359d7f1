#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace muster::apic {

/// A set of interrupt vectors: IRR, ISR or TMR.
class VectorSet {
 public:
  /// Whether it is a member.
  constexpr bool Contains(uint8_t vector) const { return (Word(vector) & Bit(vector)) != 0; }
  /// Makes it a member, if it is none.
  constexpr void Add(uint8_t vector) { Word(vector) |= Bit(vector); }
  /// Makes it none, if it is one.
  constexpr void Remove(uint8_t vector) { Word(vector) &= ~Bit(vector); }
  /// Add() or Remove().
  constexpr void Set(uint8_t vector, bool member) { member ? Add(vector) : Remove(vector); }
  /// Removes all.
  constexpr void Clear() { words_ = {}; }

  /// Whether there is no member.
  constexpr bool Empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }

  /// The member of highest priority.
  constexpr std::optional<uint8_t> Highest() const {
    for (int i = 3; i >= 0; --i) {
      const uint64_t word = words_[static_cast<size_t>(i)];
      if (word != 0) return static_cast<uint8_t>(64 * i + 63 - std::countl_zero(word));
    }
    return std::nullopt;
  }

  /// Vectors 32 * index to 32 * index + 31, as one of the eight registers shows them; 0 past these.
  constexpr uint32_t Register(unsigned index) const {
    if (index >= 2 * words_.size()) return 0;
    return static_cast<uint32_t>(words_[index / 2] >> (32 * (index % 2)));
  }

  bool operator==(const VectorSet&) const = default;

 private:
  static constexpr uint64_t Bit(uint8_t vector) { return uint64_t{1} << (vector % 64); }
  constexpr uint64_t& Word(uint8_t vector) { return words_[vector / 64]; }
  constexpr const uint64_t& Word(uint8_t vector) const { return words_[vector / 64]; }

  std::array<uint64_t, 4> words_{};
};

}  // namespace muster::apic
