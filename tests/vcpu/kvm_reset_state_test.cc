#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/reset_state.h>

namespace muster::vcpu {
namespace {

constexpr uint32_t kSignature = 0x306c3;

// Long mode with everything set that a reset must clear.
kvm_sregs Used() {
  kvm_sregs sregs{};
  sregs.cr0 = 0x8000'0031;
  sregs.cr2 = sregs.cr3 = 0x1000;
  sregs.cr4 = 0x20;
  sregs.cr8 = 0xf;
  sregs.efer = 0xd01;
  sregs.apic_base = 0xfee0'0d00;
  sregs.cs.l = 1;
  sregs.gdt = {.base = 0x5000, .limit = 0x27, .padding = {}};
  sregs.idt = {.base = 0x6000, .limit = 0xfff, .padding = {}};
  for (auto& word : sregs.interrupt_bitmap) word = 1;
  return sregs;
}

void CheckRealMode(const Registers& state) {
  const kvm_sregs& sregs = state.sregs;
  CHECK(sregs.cr2 == 0);
  CHECK(sregs.cr3 == 0);
  CHECK(sregs.cr4 == 0);
  CHECK(sregs.cr8 == 0);
  CHECK(sregs.efer == 0);
  CHECK(sregs.gdt.base == 0);
  CHECK(sregs.gdt.limit == 0xffff);
  CHECK(sregs.idt.base == 0);
  CHECK(sregs.idt.limit == 0xffff);
  CHECK(sregs.cs.type == 0xb);
  CHECK(sregs.cs.l == 0);
  for (const kvm_segment& segment : {sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss}) {
    CHECK(segment.selector == 0);
    CHECK(segment.base == 0);
    CHECK(segment.limit == 0xffff);
    CHECK(segment.type == 3);
    CHECK(segment.present == 1);
    CHECK(segment.s == 1);
  }
  CHECK(sregs.ldt.type == 2);
  CHECK(sregs.tr.type == 0xb);
  for (const uint64_t word : sregs.interrupt_bitmap) CHECK(word == 0);
  CHECK(state.regs.rflags == 2);
  CHECK(state.regs.rdx == kSignature);
  CHECK(state.regs.rax == 0);
  CHECK(state.regs.rsp == 0);
}

TEST_CASE("power-up starts at F000:FFF0 just below 4 GiB, caches off") {
  const Registers state = AfterPowerUp(Used(), kSignature);
  CheckRealMode(state);
  CHECK(state.sregs.cs.selector == 0xf000);
  CHECK(state.sregs.cs.base == 0xffff'0000);
  CHECK(state.regs.rip == 0xfff0);
  CHECK(state.sregs.cr0 == 0x6000'0010);
  CHECK(state.sregs.apic_base == 0xfee0'0d00);
}

TEST_CASE("INIT keeps CR0.CD, CR0.NW and the APIC base, and nothing else") {
  kvm_sregs before = Used();
  for (const uint64_t cache_bits : {0x0u, 0x2000'0000u, 0x4000'0000u, 0x6000'0000u}) {
    before.cr0 = 0x8000'0031 | cache_bits;
    const Registers state = AfterInit(before, kSignature);
    CheckRealMode(state);
    CHECK(state.sregs.cr0 == (0x10 | cache_bits));
    CHECK(state.sregs.apic_base == before.apic_base);
    CHECK(state.regs.rip == 0xfff0);
  }
}

TEST_CASE("SIPI moves to VV00:0000 and changes nothing else") {
  Registers state = AfterInit(Used(), kSignature);
  for (const unsigned vector : {0x00u, 0x08u, 0x9fu, 0xffu}) {
    ApplySipi(static_cast<uint8_t>(vector), state);
    CheckRealMode(state);
    CHECK(state.sregs.cs.selector == vector << 8);
    CHECK(state.sregs.cs.base == vector << 12);
    CHECK(state.sregs.cs.limit == 0xffff);
    CHECK(state.regs.rip == 0);
  }
}

TEST_CASE("real-mode start splits the address into CS base and IP") {
  const auto state =
      AtStart({.mode = StartState::Mode::kReal, .rip = 0x12345, .rsp = 0x8000}, Used(), kSignature);
  REQUIRE(state.ok());
  CHECK(state->sregs.cs.base == 0x12340);
  CHECK(state->sregs.cs.selector == 0x1234);
  CHECK(state->regs.rip == 5);
  CHECK(state->regs.rsp == 0x8000);
  CHECK(state->sregs.cr0 == 0x10);
}

TEST_CASE("Multiboot start has flat 4 GiB segments, paging off, and its registers") {
  const auto state = AtStart(
      {.mode = StartState::Mode::kProtected32, .rip = 0x10'0000, .rax = 0x2bad'b002, .rbx = 0x9500},
      Used(), kSignature);
  REQUIRE(state.ok());
  const kvm_sregs& sregs = state->sregs;
  CHECK(sregs.cr0 == 0x11);
  CHECK(sregs.efer == 0);
  for (const kvm_segment& segment : {sregs.cs, sregs.ds, sregs.ss}) {
    CHECK(segment.base == 0);
    CHECK(segment.limit == 0xffff'ffff);
    CHECK(segment.g == 1);  // VM entry refuses the limit without it
    CHECK(segment.db == 1);
    CHECK(segment.dpl == 0);
  }
  CHECK(sregs.cs.type == 0xb);
  CHECK(sregs.idt.limit == 0);
  CHECK(sregs.apic_base == Used().apic_base);
  CHECK(state->regs.rax == 0x2bad'b002);
  CHECK(state->regs.rbx == 0x9500);
  CHECK((state->regs.rflags & 0x200) == 0);
}

TEST_CASE("long-mode start has a 64-bit code segment and its tables, and a busy TSS") {
  const auto state = AtStart({.mode = StartState::Mode::kLong64,
                              .rip = 0xffff'8000'0000'0000,
                              .cr3 = 0x2000,
                              .gdt_base = 0x3000,
                              .gdt_limit = 0x17},
                             Used(), kSignature);
  REQUIRE(state.ok());
  const kvm_sregs& sregs = state->sregs;
  CHECK(sregs.cr0 == 0x8000'0011);
  CHECK(sregs.cr3 == 0x2000);
  CHECK(sregs.cr4 == 0x20);
  CHECK(sregs.efer == 0x500);
  CHECK(sregs.cs.l == 1);
  CHECK(sregs.cs.db == 0);  // L and D together fail VM entry
  CHECK(sregs.cs.selector == 0x08);
  CHECK(sregs.ss.selector == 0x10);
  CHECK(sregs.gdt.base == 0x3000);
  CHECK(sregs.gdt.limit == 0x17);
  CHECK(sregs.tr.type == 0xb);
  CHECK(sregs.tr.present == 1);
}

TEST_CASE("start states that cannot be entered are refused by their rule") {
  using Catch::Contains;
  const auto refusal = [](const StartState& start) {
    return AtStart(start, Used(), kSignature).status().ToString();
  };
  CHECK_THAT(refusal({.mode = StartState::Mode::kReal, .rip = 0x10'0000}), Contains("below 1 MiB"));
  CHECK_THAT(refusal({.mode = StartState::Mode::kProtected32, .rip = 1ull << 32}),
             Contains("4 GiB"));
  CHECK_THAT(refusal({.mode = StartState::Mode::kProtected32, .rsp = 1ull << 32}),
             Contains("4 GiB"));
  CHECK_THAT(refusal({.mode = StartState::Mode::kLong64, .cr3 = 0x2010}),
             Contains("page boundary"));
}

TEST_CASE("INIT leaves no event pending, no NMI masked and no shadow") {
  const kvm_vcpu_events events = EventsAfterInit();
  CHECK(events.flags == (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW));
  CHECK(events.interrupt.injected == 0);
  CHECK(events.nmi.pending == 0);
  CHECK(events.nmi.masked == 0);
  CHECK(events.interrupt.shadow == 0);
  CHECK(DebugRegsAfterInit().dr6 == 0xffff'0ff0);
  CHECK(DebugRegsAfterInit().dr7 == 0x400);
}

}  // namespace
}  // namespace muster::vcpu
