#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace muster::testing {

// A fuzzer's bytes, taken off the front; zeros when they have run out.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }

  template <typename T>
  T Take() {
    T value{};
    const size_t taken = sizeof(T) < left_ ? sizeof(T) : left_;
    if (taken > 0) std::memcpy(&value, data_, taken);
    data_ += taken;
    left_ -= taken;
    return value;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// Ends the fuzzer, which keeps the input, where a model says what is wrong with it.
inline void Require(const char* broken) {
  if (broken == nullptr) return;
  std::fprintf(stderr, "%s\n", broken);
  std::abort();
}

}  // namespace muster::testing
