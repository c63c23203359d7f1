#include <cstdint>
#include <cstring>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/reset_state.h>

#include "kvm_fixture.h"

namespace muster::vcpu {
namespace {

using Catch::Contains;
using Mode = StartState::Mode;

constexpr uint32_t kX2apicId = 0x802;

TEST_CASE("real-mode code writes a port and halts") {
  TestGuest guest;
  guest.Start(Mode::kReal, {0xb0, 'A',   // mov $'A', %al
                            0xe6, 0xe9,  // out %al, $0xe9
                            0xf4});      // hlt
  CHECK(guest.RunToOut() == 'A');
  CHECK(guest.run().io.port == 0xe9);
  CHECK(guest.run().io.size == 1);
  CHECK(guest.Run() == KVM_EXIT_HLT);
}

TEST_CASE("protected-mode start runs 32-bit code on flat segments") {
  TestGuest guest;
  guest.Start(Mode::kProtected32, {0xb8, 0x78, 0x56, 0x34, 0x12,  // mov $0x12345678, %eax
                                   0xa3, 0x00, 0x80, 0x00, 0x00,  // mov %eax, 0x8000
                                   0xe7, 0xe9, 0xf4});            // out %eax, $0xe9; hlt
  CHECK(guest.RunToOut() == 0x12345678);
  uint32_t stored;
  std::memcpy(&stored, guest.memory().data() + 0x8000, sizeof(stored));
  CHECK(stored == 0x12345678);
}

TEST_CASE("long-mode start runs 64-bit code") {
  TestGuest guest;
  guest.Start(Mode::kLong64, {0x48, 0xb8, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,  // movabs, %rax
                              0x48, 0xc1, 0xe8, 0x20,                          // shr $32, %rax
                              0xe7, 0xe9, 0xf4});
  CHECK(guest.RunToOut() == 0x12345678);
}

TEST_CASE("INIT and SIPI lead from long mode to VV00:0000 in real mode") {
  TestGuest guest;
  guest.Start(Mode::kLong64, {0xf4});
  REQUIRE(guest.Run() == KVM_EXIT_HLT);
  guest.Load(0x8000, {0x8c, 0xc8, 0xe7, 0xe9, 0xf4});  // mov %cs, %ax; out %ax, $0xe9
  const auto before = guest.vcpu().GetSregs();
  REQUIRE(before.ok());
  Registers state = AfterInit(*before, /*signature=*/0);
  ApplySipi(0x08, state);
  REQUIRE(guest.vcpu().SetSregs(state.sregs).ok());
  REQUIRE(guest.vcpu().SetRegs(state.regs).ok());
  REQUIRE(guest.vcpu().SetEvents(EventsAfterInit()).ok());
  REQUIRE(guest.vcpu().SetDebugRegs(DebugRegsAfterInit()).ok());
  CHECK(guest.RunToOut() == 0x0800);
  const auto after = guest.vcpu().GetSregs();
  REQUIRE(after.ok());
  CHECK(after->efer == 0);
  CHECK(after->apic_base == before->apic_base);
}

TEST_CASE("the reset vector is fetched from just below 4 GiB") {
  TestGuest guest;
  HostMemory rom(kPageSize);
  rom.bytes()[0xff0] = 0xf4;
  REQUIRE(guest.slots().Add(0xfffff000, rom.bytes(), /*read_only=*/true).ok());
  const auto before = guest.vcpu().GetSregs();
  REQUIRE(before.ok());
  const Registers state = AfterPowerUp(*before, /*signature=*/0);
  REQUIRE(guest.vcpu().SetSregs(state.sregs).ok());
  REQUIRE(guest.vcpu().SetRegs(state.regs).ok());
  CHECK(guest.Run() == KVM_EXIT_HLT);
  guest.RemoveAdded(0xfffff000);
}

TEST_CASE("IA32_APIC_BASE and IA32_TSC_DEADLINE exit by the filter, read and written") {
  for (const uint32_t msr : {kIa32ApicBase, kIa32TscDeadline}) {
    TestGuest guest;
    const auto low = static_cast<uint8_t>(msr), high = static_cast<uint8_t>(msr >> 8);
    guest.Start(Mode::kProtected32, {0xb9, low, high, 0, 0,  // mov $msr, %ecx
                                     0x0f, 0x32,             // rdmsr
                                     0xe7, 0xe9,             // out %eax, $0xe9
                                     0x0f, 0x30,             // wrmsr
                                     0xf4});
    REQUIRE(guest.Run() == KVM_EXIT_X86_RDMSR);
    CHECK(guest.run().msr.index == msr);
    CHECK(guest.run().msr.reason == KVM_MSR_EXIT_REASON_FILTER);
    guest.run().msr.data = 0x5'0000'1234;
    CHECK(guest.RunToOut() == 0x1234);
    if (guest.Run() == KVM_EXIT_HLT) {
      // KVM on VMX takes the deadline before it looks at the filter: HostTraits tells.
      CHECK(msr == kIa32TscDeadline);
      continue;
    }
    REQUIRE(guest.run().exit_reason == KVM_EXIT_X86_WRMSR);
    CHECK(guest.run().msr.index == msr);
    CHECK(guest.run().msr.data == 0x5'0000'1234);
    CHECK(guest.Run() == KVM_EXIT_HLT);
  }
}

TEST_CASE("x2APIC registers exit, and the user's error becomes #GP") {
  TestGuest guest;
  guest.SetVector(13, 0x2000);                         // #GP
  guest.Load(0x2000, {0xb0, 0xee, 0xe6, 0xe9, 0xf4});  // mov $0xee, %al; out %al, $0xe9
  guest.Start(Mode::kReal, {0x66, 0xb9, 0x02, 0x08, 0, 0, 0x0f, 0x32, 0xf4});
  REQUIRE(guest.Run() == KVM_EXIT_X86_RDMSR);
  CHECK(guest.run().msr.index == kX2apicId);
  CHECK(guest.run().msr.reason == KVM_MSR_EXIT_REASON_INVAL);
  guest.run().msr.error = 1;
  CHECK(guest.RunToOut() == 0xee);
}

TEST_CASE("an MSR of a dropped paravirtual feature exits, one of KVM's clock does not") {
  // KVM_CAP_ENFORCE_PV_FEATURE_CPUID; the features are those of BuildCpuid.
  TestGuest guest;
  guest.Start(Mode::kProtected32, {0xb9, 0x01, 0x4d, 0x56, 0x4b,  // MSR_KVM_SYSTEM_TIME_NEW
                                   0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30, 0xb9, 0x04, 0x4d, 0x56,
                                   0x4b,  // MSR_KVM_PV_EOI_EN
                                   0x0f, 0x30, 0xf4});
  REQUIRE(guest.Run() == KVM_EXIT_X86_WRMSR);
  CHECK(guest.run().msr.index == 0x4b564d04);
}

TEST_CASE("the guest's CPUID shows id 300 whole, and its low byte in leaf 1") {
  if (KvmOrSkip().max_vcpu_ids() <= 300) Skip("this KVM has no vCPU id 300");
  TestGuest guest(/*vcpu_id=*/300);
  guest.Start(Mode::kProtected32,
              {0xb8, 0x0b, 0,    0,    0,    0x31, 0xc9,  // mov $0xb, %eax; xor ecx
               0x0f, 0xa2, 0x92, 0xe7, 0xe9,              // cpuid; xchg %edx, %eax; out
               0xb8, 0x01, 0,    0,    0,                 // mov $1, %eax
               0x0f, 0xa2, 0x93, 0xe7, 0xe9,              // cpuid; xchg %ebx, %eax; out
               0xb8, 0x00, 0,    0,    0x40,              // mov $0x40000000, %eax
               0x0f, 0xa2, 0x93, 0xe7, 0xe9, 0xf4});
  CHECK(guest.RunToOut() == 300);
  const uint32_t leaf1 = guest.RunToOut();
  CHECK(leaf1 >> 24 == 300 - 256);
  CHECK((leaf1 >> 16 & 0xff) == 1);
  CHECK(guest.RunToOut() == 0x4b4d564b);  // "KVMK"
}

TEST_CASE("a local APIC access exits as MMIO, with its width and data") {
  TestGuest guest;
  guest.Start(Mode::kProtected32, {0xa1, 0x30, 0x00, 0xe0, 0xfe,                      // mov, %eax
                                   0xe7, 0xe9, 0xa3, 0xb0, 0x00, 0xe0, 0xfe, 0xf4});  // mov %eax,
  REQUIRE(guest.Run() == KVM_EXIT_MMIO);
  CHECK(guest.run().mmio.phys_addr == 0xfee00030);
  CHECK(guest.run().mmio.len == 4);
  CHECK(guest.run().mmio.is_write == 0);
  const uint32_t version = 0x50014;
  std::memcpy(guest.run().mmio.data, &version, sizeof(version));
  CHECK(guest.RunToOut() == version);
  REQUIRE(guest.Run() == KVM_EXIT_MMIO);
  CHECK(guest.run().mmio.phys_addr == 0xfee000b0);
  CHECK(guest.run().mmio.is_write == 1);
}

TEST_CASE("a write to a read-only slot exits and leaves the memory alone") {
  TestGuest guest;
  HostMemory rom(kPageSize);
  rom.bytes()[0] = 0x77;
  REQUIRE(guest.slots().Add(0x20000, rom.bytes(), /*read_only=*/true).ok());
  CHECK(guest.slots().Contains(0x20fff));
  guest.Start(Mode::kProtected32, {0xa0, 0x00, 0x00, 0x02, 0x00, 0xe6, 0xe9,  // mov, %al; out
                                   0xfe, 0xc0, 0xa2, 0x00, 0x00, 0x02, 0x00, 0xf4});  // inc; mov
  CHECK(guest.RunToOut() == 0x77);
  REQUIRE(guest.Run() == KVM_EXIT_MMIO);
  CHECK(guest.run().mmio.phys_addr == 0x20000);
  CHECK(guest.run().mmio.data[0] == 0x78);
  CHECK(rom.bytes()[0] == 0x77);
  guest.RemoveAdded(0x20000);
}

TEST_CASE("a slot that KVM refuses is not remembered") {
  TestGuest guest;
  HostMemory memory(kPageSize);
  constexpr uint64_t kBeyondAnyCpu = 1ull << 60;
  const absl::Status status = guest.slots().Add(kBeyondAnyCpu, memory.bytes());
  CHECK_THAT(status.ToString(), Contains("KVM_SET_USER_MEMORY_REGION"));
  CHECK_FALSE(guest.slots().Contains(kBeyondAnyCpu));
  REQUIRE(guest.slots().Add(0x20000, memory.bytes()).ok());
  CHECK(guest.slots().Find(0x20000, kPageSize).data() == memory.bytes().data());
  guest.RemoveAdded(0x20000);
}

TEST_CASE("a vector injected at an open window runs its handler") {
  TestGuest guest;
  guest.SetVector(0x30, 0x2000);
  guest.Load(0x2000, {0xb0, 0x30, 0xe6, 0xe9, 0xcf});  // mov $0x30, %al; out %al, $0xe9; iret
  guest.Start(Mode::kReal, {0xfb, 0x90, 0xe6, 0xe8,    // sti; nop; out %al, $0xe8
                            0xfa, 0xf4});              // cli; hlt
  guest.RunToOut();
  guest.FinishExit();
  REQUIRE(guest.run().if_flag == 1);
  REQUIRE(guest.run().ready_for_interrupt_injection == 1);
  REQUIRE(guest.vcpu().Interrupt(0x30).ok());
  CHECK(guest.RunToOut() == 0x30);
  CHECK(guest.Run() == KVM_EXIT_HLT);
}

TEST_CASE("an NMI is taken with interrupts off") {
  TestGuest guest;
  guest.SetVector(2, 0x2000);
  guest.Load(0x2000, {0xb0, 0x02, 0xe6, 0xe9, 0xcf});
  guest.Start(Mode::kReal, {0xfa, 0x90, 0xf4});
  REQUIRE(guest.vcpu().Nmi().ok());
  CHECK(guest.RunToOut() == 2);
  CHECK(guest.Run() == KVM_EXIT_HLT);
}

TEST_CASE("VMCALL comes to an end and is not patched") {
  TestGuest guest;
  guest.SetVector(6, 0x2000);  // #UD, where the processor has no VMCALL
  guest.Load(0x2000, {0xf4});
  guest.Start(Mode::kReal, {0x0f, 0x01, 0xc1, 0xf4});
  CHECK(guest.Run() == KVM_EXIT_HLT);
  CHECK(guest.memory()[TestGuest::kCode + 2] == 0xc1);
}

}  // namespace
}  // namespace muster::vcpu
