#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vcpu/capi/tagged_slots.h>

namespace muster::vcpu::capi {
namespace {

using Slots = TaggedSlots<int>;

// Slots are never freed: those of a test last as long as the process, as the library's do.
Slots slots;

bool Remove(uint64_t handle) {
  uint64_t holds;
  return slots.Take(handle, holds) != nullptr;
}

TEST_CASE("a thing that is held is not taken out") {
  const uint64_t handle = slots.Put(std::make_unique<int>(17));
  uint64_t holds;
  {
    const Slots::Held first(handle), second(handle);
    CHECK(*first.get() == 17);
    CHECK(slots.Take(handle, holds) == nullptr);
    CHECK(holds == 2);
  }
  CHECK(*slots.Take(handle, holds) == 17);
  CHECK(slots.Take(handle, holds) == nullptr);
  CHECK(holds == 0);
  CHECK(Slots::Held(handle).get() == nullptr);
  CHECK(Slots::Held(0).get() == nullptr);
}

// A slot has 65,535 generations.
TEST_CASE("no handle names a second thing, however many there have been") {
  std::vector<uint64_t> handles;
  for (int i = 0; i < 150'000; ++i) {
    handles.push_back(slots.Put(std::make_unique<int>(i)));
    REQUIRE(*Slots::Held(handles.back()).get() == i);
    REQUIRE(Remove(handles.back()));
  }
  const uint64_t living = slots.Put(std::make_unique<int>(0));
  CHECK(std::none_of(handles.begin(), handles.end(),
                     [](uint64_t old) { return Slots::Held(old).get() != nullptr; }));
  handles.push_back(living);
  std::sort(handles.begin(), handles.end());
  CHECK(std::adjacent_find(handles.begin(), handles.end()) == handles.end());
  CHECK(handles.front() >> 48 != 0);  // none is an address
  CHECK(Remove(living));
}

}  // namespace
}  // namespace muster::vcpu::capi
