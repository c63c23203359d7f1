#include <catch2/catch.hpp>

#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST_CASE("guest memory begins where a huge page can, whatever its size") {
  for (const uint64_t mib : {1, 3, 256, 512}) {
    const auto memory = GuestMemory::Create(mib << 20);
    REQUIRE(memory.ok());
    CHECK(reinterpret_cast<uintptr_t>(memory->At(0, 1)->data()) % (uint64_t{2} << 20) == 0);
    memory->At((mib << 20) - 1, 1)->front() = 1;
  }
}

TEST_CASE("guest memory leaves out 3 GiB to 4 GiB") {
  const GuestMemory small = *GuestMemory::Create(3 * kGiB);
  REQUIRE(small.regions().size() == 1);
  CHECK(small.low_end() == 3 * kGiB);

  const GuestMemory large = *GuestMemory::Create(3 * kGiB + 4096);
  REQUIRE(large.regions().size() == 2);
  CHECK(large.low_end() == 3 * kGiB);
  CHECK(large.regions()[1].base == 4 * kGiB);
  CHECK(large.regions()[1].end() == 4 * kGiB + 4096);
  CHECK_FALSE(large.At(0xfee00000, 4).ok());
  CHECK_FALSE(large.At(0xfec00000, 4).ok());
}

TEST_CASE("an access is good where all of it is RAM") {
  const GuestMemory memory = *GuestMemory::Create(3 * kGiB + 4096);
  CHECK(memory.At(0, 1).ok());
  CHECK(memory.At(0, 3 * kGiB).ok());
  CHECK(memory.At(3 * kGiB, 0).ok());
  CHECK(memory.At(4 * kGiB + 4095, 1).ok());
  CHECK_FALSE(memory.At(0, 3 * kGiB + 1).ok());
  CHECK_FALSE(memory.At(3 * kGiB - 1, 2).ok());
  CHECK_FALSE(memory.At(4 * kGiB - 1, 2).ok());
  CHECK_FALSE(memory.At(4 * kGiB + 4095, 2).ok());
  CHECK_FALSE(memory.At(4 * kGiB + 4097, 0).ok());
}

TEST_CASE("no address or size wraps round") {
  const GuestMemory memory = *GuestMemory::Create(kGiB);
  CHECK_FALSE(memory.At(UINT64_MAX, 1).ok());
  CHECK_FALSE(memory.At(UINT64_MAX, UINT64_MAX).ok());
  CHECK_FALSE(memory.At(1, UINT64_MAX).ok());
  CHECK_FALSE(memory.At(4096, UINT64_MAX - 4095).ok());
  CHECK(memory.At(UINT64_MAX, 1).status().message() ==
        "0x1 bytes at guest-physical 0xffffffffffffffff are not all RAM");
}

TEST_CASE("guest memory begins as zeros and keeps what is written") {
  GuestMemory memory = *GuestMemory::Create(1 << 20);
  CHECK(memory.At(0x1234, 1).value()[0] == 0);
  REQUIRE(memory.WriteValue(0x1000, uint32_t{0x11223344}).ok());
  CHECK(memory.At(0x1000, 4).value()[0] == 0x44);
  CHECK_FALSE(memory.WriteValue((1 << 20) - 3, uint32_t{1}).ok());
}

TEST_CASE("sizes of guest memory that are refused") {
  CHECK_FALSE(GuestMemory::Create(0).ok());
  CHECK_FALSE(GuestMemory::Create(4096).ok());
  CHECK_FALSE(GuestMemory::Create((1 << 20) + 1).ok());
  CHECK_FALSE(GuestMemory::Create(2048 * kGiB).ok());
  CHECK_FALSE(GuestMemory::Create(UINT64_MAX).ok());
}

}  // namespace
}  // namespace muster::vmm
