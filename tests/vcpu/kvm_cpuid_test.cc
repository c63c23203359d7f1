#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/cpuid.h>

namespace muster::vcpu {
namespace {

kvm_cpuid_entry2 Leaf(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx,
                      uint32_t edx) {
  kvm_cpuid_entry2 entry{};
  entry.function = function;
  entry.index = index;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

// A host that offers everything, on two packages of many cores.
std::vector<kvm_cpuid_entry2> Host(uint32_t max_basic = 0x20) {
  std::vector<kvm_cpuid_entry2> host = {
      Leaf(0, 0, max_basic, 1, 2, 3),
      Leaf(1, 0, 0x306c3, 0xff20'0842, 0xffff'ffff & ~(1u << 31 | 1u << 21), 0xffff'ffff),
      Leaf(4, 0, 0xfc1f'c121, 7, 8, 9),
      Leaf(4, 1, 0xfc1f'c143, 7, 8, 9),
      Leaf(6, 0, 4, 0, 0, 0),
      Leaf(0xa, 0, 0x0730'0404, 1, 1, 1),
      Leaf(0xb, 0, 1, 2, 0x100, 99),
      Leaf(0xb, 1, 7, 64, 0x201, 99),
      Leaf(0x15, 0, 2, 200, 25'000'000, 0),
      Leaf(0x1f, 0, 1, 2, 0x100, 99),
      Leaf(0x1f, 2, 9, 64, 0x302, 99),
      Leaf(0x40000000, 0, 0x40000010, 5, 5, 5),
      Leaf(0x40000001, 0, 0x01007efb, 0, 0, 1),
      Leaf(0x40000010, 0, 1, 1, 1, 1),
      Leaf(0x80000001, 0, 0, 0, 0xffff'ffff, 0xffff'ffff),
      Leaf(0x80000008, 0, 0x3030, 0, 0x0003'f07f, 0),
      Leaf(0x8000000a, 0, 1, 1, 1, 1),
      Leaf(0x8000001d, 0, 0x03ff'c121, 1, 1, 1),
      Leaf(0x8000001e, 0, 17, 0x0101, 0x0102, 0),
      Leaf(0x80000026, 0, 1, 2, 0x100, 99),
  };
  return host;
}

std::optional<kvm_cpuid_entry2> Find(const std::vector<kvm_cpuid_entry2>& entries,
                                     uint32_t function, uint32_t index = 0) {
  std::optional<kvm_cpuid_entry2> found;
  for (const kvm_cpuid_entry2& entry : entries) {
    if (entry.function != function || entry.index != index) continue;
    CHECK_FALSE(found.has_value());  // no leaf twice
    found = entry;
  }
  return found;
}

kvm_cpuid_entry2 Get(const std::vector<kvm_cpuid_entry2>& entries, uint32_t function,
                     uint32_t index = 0) {
  const std::optional<kvm_cpuid_entry2> entry = Find(entries, function, index);
  REQUIRE(entry.has_value());
  return *entry;
}

TEST_CASE("leaf 1 shows the initial APIC id's low 8 bits and one logical processor") {
  const kvm_cpuid_entry2 leaf = Get(BuildCpuid(Host(), {.apic_id = 300}), 1);
  CHECK(leaf.eax == 0x306c3);
  CHECK(leaf.ebx >> 24 == 300 - 256);
  CHECK((leaf.ebx >> 16 & 0xff) == 1);
  CHECK((leaf.ebx & 0xffff) == 0x0842);
  CHECK((leaf.edx & 1u << 28) == 0);  // HTT
}

TEST_CASE("no VMX and no SVM, but x2APIC, APIC and the hypervisor bit always") {
  const auto entries = BuildCpuid(Host(), {});
  const kvm_cpuid_entry2 leaf = Get(entries, 1);
  CHECK((leaf.ecx & 1u << 5) == 0);
  CHECK((leaf.ecx & 1u << 6) == 0);
  CHECK((leaf.ecx & 1u << 21) != 0);
  CHECK((leaf.ecx & 1u << 31) != 0);
  CHECK((leaf.edx & 1u << 9) != 0);
  CHECK((Get(entries, 0x80000001).ecx & 1u << 2) == 0);
  CHECK_FALSE(Find(entries, 0x8000000a).has_value());
}

TEST_CASE("the TSC-deadline timer is offered only where asked for") {
  constexpr uint32_t kTscDeadline = 1u << 24;
  CHECK((Get(BuildCpuid(Host(), {.tsc_deadline = false}), 1).ecx & kTscDeadline) == 0);
  CHECK((Get(BuildCpuid(Host(), {.tsc_deadline = true}), 1).ecx & kTscDeadline) != 0);
}

TEST_CASE("leaves 0xB and 0x1F show a package of one thread and the whole id") {
  const auto entries = BuildCpuid(Host(), {.apic_id = 300});
  for (const uint32_t function : {0xbu, 0x1fu}) {
    const kvm_cpuid_entry2 thread = Get(entries, function, 0), core = Get(entries, function, 1);
    CHECK(thread.eax == 0);  // no id bit to shift out
    CHECK(thread.ebx == 1);
    CHECK(thread.ecx == 0x100);
    CHECK(core.eax == 0);
    CHECK(core.ebx == 1);
    CHECK(core.ecx == 0x201);
    for (const kvm_cpuid_entry2& level : {thread, core}) {
      CHECK(level.edx == 300);
      CHECK(level.flags == KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
    CHECK_FALSE(Find(entries, function, 2).has_value());
  }
}

TEST_CASE("leaf 0xB is there on a host without it, leaf 0x1F is not") {
  const auto entries = BuildCpuid(Host(/*max_basic=*/7), {.apic_id = 5});
  CHECK(Get(entries, 0).eax == 0xb);
  CHECK(Get(entries, 0xb, 1).edx == 5);
  CHECK_FALSE(Find(entries, 0x1f).has_value());
}

TEST_CASE("no cache is shared and no package has a second core, in Intel's and AMD's leaves") {
  const auto entries = BuildCpuid(Host(), {.apic_id = 300});
  CHECK(Get(entries, 4, 0).eax == 0x121);
  CHECK(Get(entries, 4, 1).eax == 0x143);
  CHECK(Get(entries, 4, 1).ebx == 7);
  CHECK(Get(entries, 0x80000008).ecx == 0x3'0000);
  CHECK(Get(entries, 0x80000008).eax == 0x3030);
  CHECK(Get(entries, 0x8000001d).eax == 0x121);
  CHECK(Get(entries, 0x8000001e).eax == 300);
  CHECK(Get(entries, 0x8000001e).ebx == 0);
  CHECK(Get(entries, 0x8000001e).ecx == 0);
  CHECK_FALSE(Find(entries, 0x80000026).has_value());
}

TEST_CASE("the hypervisor is KVM and offers its clock alone") {
  const auto entries = BuildCpuid(Host(), {});
  const kvm_cpuid_entry2 leaf = Get(entries, 0x40000000);
  CHECK(leaf.eax == 0x40000001);
  char name[13] = {};
  const uint32_t words[] = {leaf.ebx, leaf.ecx, leaf.edx};
  std::memcpy(name, words, sizeof(words));
  CHECK(std::string(name) == "KVMKVMKVM");
  CHECK(Get(entries, 0x40000001).eax == 0x01000009);
  CHECK(Get(entries, 0x40000001).edx == 0);
  CHECK_FALSE(Find(entries, 0x40000010).has_value());
}

TEST_CASE("a clock that KVM does not support is not offered") {
  auto host = Host();
  for (kvm_cpuid_entry2& entry : host) {
    if (entry.function == 0x40000001) entry.eax = 1u << 6;  // PV_EOI
  }
  CHECK(Get(BuildCpuid(host, {}), 0x40000001).eax == 0);
}

TEST_CASE("what needs an in-kernel APIC, or would misstate ours, is left out") {
  const auto entries = BuildCpuid(Host(), {});
  CHECK_FALSE(Find(entries, 0xa).has_value());   // performance monitoring
  CHECK_FALSE(Find(entries, 0x15).has_value());  // crystal clock
  CHECK((Get(entries, 1).ecx & 1u << 15) == 0);  // PDCM
  CHECK((Get(entries, 0x80000001).ecx & (1u << 3 | 1u << 10 | 1u << 23)) == 0);
  CHECK(Get(entries, 6).eax == 4);  // ARAT stays
}

TEST_CASE("the reset signature is leaf 1's EAX") {
  CHECK(Signature(BuildCpuid(Host(), {})) == 0x306c3);
  CHECK(Signature({}) == 0);
}

TEST_CASE("MAXPHYADDR is what leaf 80000008 says, 36 without it") {
  kvm_cpuid_entry2 leaf{};
  leaf.function = 0x80000008;
  leaf.eax = 0x3030;  // 48 linear, 48 physical
  CHECK(PhysicalAddressBits(std::span(&leaf, 1)) == 48);
  CHECK(PhysicalAddressBits({}) == 36);
}

}  // namespace
}  // namespace muster::vcpu
