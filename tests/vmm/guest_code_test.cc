#include <catch2/catch.hpp>

#include <muster/vmm/machine/guest_code.h>

namespace muster::vmm {
namespace {

TEST_CASE("code is read where the vCPU's page tables put it") {
  GuestMemory memory = *GuestMemory::Create(uint64_t{4} << 20);
  vcpu::Inspection vcpu;
  REQUIRE(memory.WriteValue(0x5000, uint32_t{0x90909090}).ok());
  vcpu.cs_base = 0x1000;
  CHECK(ReadCode(memory, vcpu, 0x4000, 3) == std::vector<uint8_t>{0x90, 0x90, 0x90});
  CHECK(ReadCode(memory, vcpu, 0x3feffe, 15).size() == 2);  // then RAM ends

  vcpu.cs_base = 0;
  vcpu.cr0 = 0x80000011;
  vcpu.efer = 0x500;
  vcpu.cr3 = 0x10000;
  const uint64_t linear = 0xffff800000000000 + 0x200000 * 3 + 0x1000 * 5;
  CHECK(ReadCode(memory, vcpu, linear, 1).empty());
  REQUIRE(memory.WriteValue(0x10000 + 8 * 256, uint64_t{0x11003}).ok());
  REQUIRE(memory.WriteValue(0x11000, uint64_t{0x12003}).ok());
  REQUIRE(memory.WriteValue(0x12000 + 8 * 3, uint64_t{0x13003}).ok());
  REQUIRE(memory.WriteValue(0x13000 + 8 * 5, uint64_t{0x8000000000005003}).ok());
  CHECK(ReadCode(memory, vcpu, linear, 4) == std::vector<uint8_t>{0x90, 0x90, 0x90, 0x90});
  REQUIRE(memory.WriteValue(0x12000 + 8 * 3, uint64_t{0x200083}).ok());
  CHECK(*Translate(memory, vcpu, linear + 7) == 0x205007);
  // Tables that lie outside RAM end the walk.
  REQUIRE(memory.WriteValue(0x11000, uint64_t{0x7ffffffff003}).ok());
  CHECK_FALSE(Translate(memory, vcpu, linear).has_value());
}

}  // namespace
}  // namespace muster::vmm
