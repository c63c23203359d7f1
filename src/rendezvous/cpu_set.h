#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace muster::rendezvous {

// A set of vCPU numbers below kMaxCpus, a value of 128 bytes. Numbers outside are in no set.
class CpuSet {
 public:
  static constexpr int kMaxCpus = 1024;

  // Empty.
  constexpr CpuSet() = default;
  // Of these numbers; those outside are left out.
  constexpr CpuSet(std::initializer_list<int> cpus) {
    for (int cpu : cpus) Add(cpu);
  }
  // The numbers from 0 to `count` - 1.
  static constexpr CpuSet FirstN(int count) {
    CpuSet set;
    for (int cpu = 0; cpu < count; ++cpu) set.Add(cpu);
    return set;
  }
  // Every number.
  static constexpr CpuSet All() { return FirstN(kMaxCpus); }

  // Whether it is a number that sets can hold.
  static constexpr bool Valid(int cpu) { return cpu >= 0 && cpu < kMaxCpus; }

  // Makes it a member, if it is none.
  constexpr void Add(int cpu) {
    if (Valid(cpu)) words_[Word(cpu)] |= Bit(cpu);
  }
  // Makes it none, if it is one.
  constexpr void Remove(int cpu) {
    if (Valid(cpu)) words_[Word(cpu)] &= ~Bit(cpu);
  }
  // Whether it is a member.
  constexpr bool Contains(int cpu) const {
    return Valid(cpu) && (words_[Word(cpu)] & Bit(cpu)) != 0;
  }
  // Whether there is no member.
  constexpr bool Empty() const { return *this == CpuSet(); }
  // How many members there are.
  constexpr int Count() const {
    int count = 0;
    for (uint64_t word : words_) count += std::popcount(word);
    return count;
  }
  // The lowest member that is at least `from`; kMaxCpus if there is none.
  constexpr int First(int from = 0) const {
    if (from < 0) from = 0;
    if (from >= kMaxCpus) return kMaxCpus;
    uint64_t word = words_[Word(from)] & (~uint64_t{0} << (from % kBits));
    for (int base = from - from % kBits;; word = words_[Word(base)]) {
      if (word != 0) return base + std::countr_zero(word);
      base += kBits;
      if (base == kMaxCpus) return kMaxCpus;
    }
  }

  constexpr CpuSet& operator|=(const CpuSet& other) {
    for (size_t i = 0; i < kWords; ++i) words_[i] |= other.words_[i];
    return *this;
  }
  constexpr CpuSet& operator&=(const CpuSet& other) {
    for (size_t i = 0; i < kWords; ++i) words_[i] &= other.words_[i];
    return *this;
  }
  constexpr CpuSet& operator-=(const CpuSet& other) {
    for (size_t i = 0; i < kWords; ++i) words_[i] &= ~other.words_[i];
    return *this;
  }
  friend constexpr CpuSet operator|(CpuSet a, const CpuSet& b) { return a |= b; }
  friend constexpr CpuSet operator&(CpuSet a, const CpuSet& b) { return a &= b; }
  friend constexpr CpuSet operator-(CpuSet a, const CpuSet& b) { return a -= b; }
  friend constexpr bool operator==(const CpuSet&, const CpuSet&) = default;

  // Ascending. The set must outlive the iteration; members removed ahead of it are not visited.
  class Iterator {
   public:
    // At member `cpu`, or at kMaxCpus, the end.
    constexpr Iterator(const CpuSet& set, int cpu) : set_(set), cpu_(cpu) {}
    constexpr int operator*() const { return cpu_; }
    constexpr Iterator& operator++() {
      cpu_ = set_.First(cpu_ + 1);
      return *this;
    }
    constexpr bool operator!=(const Iterator& other) const { return cpu_ != other.cpu_; }

   private:
    const CpuSet& set_;
    int cpu_;
  };
  // At the lowest member.
  constexpr Iterator begin() const { return Iterator(*this, First()); }
  // Past the highest.
  constexpr Iterator end() const { return Iterator(*this, kMaxCpus); }

  // Like "0-3,7"; "none" when empty.
  std::string ToString() const;

 private:
  static constexpr int kBits = 64;
  static constexpr size_t kWords = kMaxCpus / kBits;
  static constexpr size_t Word(int cpu) { return static_cast<size_t>(cpu / kBits); }
  static constexpr uint64_t Bit(int cpu) { return uint64_t{1} << (cpu % kBits); }

  std::array<uint64_t, kWords> words_{};
};

}  // namespace muster::rendezvous
