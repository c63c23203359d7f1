#include <cstdint>
#include <span>
#include <string>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/memory_map.h>

namespace muster::vcpu {
namespace {

using Catch::Contains;

// Host addresses are only compared, never read.
std::span<uint8_t> Host(uint64_t pages, uint64_t address = 0x10'0000) {
  return {reinterpret_cast<uint8_t*>(address), pages * kPageSize};
}

std::string Refusal(const absl::Status& status) {
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return status.ToString();
}

TEST_CASE("memory comes in whole pages on both sides") {
  MemoryMap map;
  CHECK_THAT(Refusal(map.Add(0x800, Host(1))), Contains("0x800") && Contains("whole pages"));
  CHECK_THAT(Refusal(map.Add(0, Host(1).first(100))), Contains("whole pages"));
  CHECK_THAT(Refusal(map.Add(0, Host(1, 0x10'0010))), Contains("whole pages"));
  CHECK_THAT(Refusal(map.Add(0, {})), Contains("empty"));
  CHECK_FALSE(map.Contains(0));
}

TEST_CASE("memory that overlaps from either side is refused, and its neighbour named") {
  MemoryMap map;
  REQUIRE(map.Add(0x4000, Host(4)).ok());
  CHECK_THAT(Refusal(map.Add(0x4000, Host(4))), Contains("overlaps the memory at 0x4000"));
  CHECK_THAT(Refusal(map.Add(0x7000, Host(2))), Contains("overlaps the memory at 0x4000"));
  CHECK_THAT(Refusal(map.Add(0x3000, Host(2))), Contains("overlaps the memory at 0x4000"));
  CHECK_THAT(Refusal(map.Add(0x5000, Host(1))), Contains("overlaps the memory at 0x4000"));
  CHECK_THAT(Refusal(map.Add(0, Host(64))), Contains("overlaps the memory at 0x4000"));
}

TEST_CASE("memory that only touches its neighbours is taken") {
  MemoryMap map;
  REQUIRE(map.Add(0x4000, Host(4)).ok());
  CHECK(map.Add(0x8000, Host(1)).ok());
  CHECK(map.Add(0x3000, Host(1)).ok());
}

TEST_CASE("no memory covers the interrupt controllers") {
  MemoryMap map;
  constexpr uint64_t kIoApic = 0xfec00000, kLocalApic = 0xfee00000;
  CHECK_THAT(Refusal(map.Add(kIoApic, Host(1))), Contains("interrupt controllers"));
  CHECK_THAT(Refusal(map.Add(kLocalApic, Host(1))), Contains("interrupt controllers"));
  CHECK_THAT(Refusal(map.Add(kIoApic - kPageSize, Host(2))), Contains("interrupt controllers"));
  CHECK_THAT(Refusal(map.Add(kHoleEnd - kPageSize, Host(2))), Contains("interrupt controllers"));
  CHECK_THAT(Refusal(map.Add(0, Host(0x10'0000))), Contains("interrupt controllers"));
  CHECK(map.Add(kIoApic - kPageSize, Host(1)).ok());
  CHECK(map.Add(kHoleEnd, Host(1)).ok());
}

TEST_CASE("memory does not wrap around the address space") {
  MemoryMap map;
  CHECK_THAT(Refusal(map.Add(UINT64_MAX - kPageSize + 1, Host(2))), Contains("wraps"));
}

TEST_CASE("found bytes lie within one range, to its last byte and no further") {
  MemoryMap map;
  REQUIRE(map.Add(0x4000, Host(2, 0x20'0000)).ok());
  REQUIRE(map.Add(0x6000, Host(1, 0x40'0000)).ok());
  const auto address = [](std::span<const uint8_t> bytes) {
    return reinterpret_cast<uint64_t>(bytes.data());
  };
  CHECK(address(map.Find(0x4000, 1)) == 0x20'0000);
  CHECK(address(map.Find(0x5ffc, 4)) == 0x20'1ffc);
  CHECK(map.Find(0x5ffc, 4).size() == 4);
  CHECK(map.Find(0x5ffc, 5).empty());  // runs into the next range, elsewhere in the host
  CHECK(address(map.Find(0x6000, kPageSize)) == 0x40'0000);
  CHECK(map.Find(0x3fff, 1).empty());
  CHECK(map.Find(0x7000, 1).empty());
  CHECK(map.Find(0x6001, UINT64_MAX).empty());  // the sum wraps
  CHECK(map.Contains(0x6fff));
  CHECK_FALSE(map.Contains(0x7000));
}

TEST_CASE("what the guest may only read is found, but not to be written") {
  MemoryMap map;
  REQUIRE(map.Add(0x4000, Host(2, 0x20'0000)).ok());
  REQUIRE(map.Add(0x6000, Host(1, 0x40'0000), /*read_only=*/true).ok());
  CHECK(map.FindWritable(0x5ffc, 4).data() == map.Find(0x5ffc, 4).data());
  CHECK(map.FindWritable(0x5ffc, 5).empty());
  CHECK(map.Find(0x6000, 4).size() == 4);
  CHECK(map.Contains(0x6000));
  CHECK(map.FindWritable(0x6000, 4).empty());
}

}  // namespace
}  // namespace muster::vcpu
