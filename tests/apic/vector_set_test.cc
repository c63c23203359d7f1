#include <set>

#include <catch2/catch.hpp>

#include <muster/apic/vector_set.h>

namespace muster::apic {

TEST_CASE("the highest vector of a set is found wherever it is") {
  for (unsigned vector = 0; vector < 256; ++vector) {
    VectorSet set;
    REQUIRE(set.Empty());
    REQUIRE_FALSE(set.Highest());
    set.Add(static_cast<uint8_t>(vector));
    REQUIRE_FALSE(set.Empty());
    REQUIRE(set.Highest() == vector);
    for (unsigned lower = 0; lower < vector; lower += 7) set.Add(static_cast<uint8_t>(lower));
    REQUIRE(set.Highest() == vector);
  }
}

TEST_CASE("a vector set agrees with std::set") {
  VectorSet set;
  std::set<uint8_t> reference;
  uint32_t random = 1;
  for (int i = 0; i < 20000; ++i) {
    random = random * 1664525 + 1013904223;
    const auto vector = static_cast<uint8_t>(random >> 24);
    const bool member = (random >> 23 & 1) != 0;
    set.Set(vector, member);
    member ? (void)reference.insert(vector) : (void)reference.erase(vector);
    REQUIRE(set.Contains(vector) == member);
    REQUIRE(set.Empty() == reference.empty());
    if (!reference.empty()) REQUIRE(set.Highest() == *reference.rbegin());
  }
  for (unsigned vector = 0; vector < 256; ++vector) {
    const bool bit = (set.Register(vector / 32) >> (vector % 32) & 1) != 0;
    REQUIRE(bit == reference.contains(static_cast<uint8_t>(vector)));
  }
}

}  // namespace muster::apic
