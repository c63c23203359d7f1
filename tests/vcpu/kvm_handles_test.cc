#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/kvm/fd.h>
#include <muster/vcpu/kvm/reset_state.h>

#include "kvm_fixture.h"

namespace muster::vcpu {
namespace {

using Catch::Contains;

TEST_CASE("KVM's limits and CPUID are read at opening") {
  const System& system = KvmOrSkip();
  CHECK(system.max_vcpus() >= 1);
  CHECK(system.max_vcpu_ids() >= system.max_vcpus());
  CHECK(system.vcpu_mmap_size() >= sizeof(kvm_run));
  CHECK(Signature(system.supported_cpuid()) != 0);
}

TEST_CASE("a vCPU id that exists or is too large is refused, and named") {
  TestGuest guest(/*vcpu_id=*/3);
  const absl::Status again = VcpuHandle::Create(KvmOrSkip(), guest.vm(), 3).status();
  CHECK(again.code() == absl::StatusCode::kAlreadyExists);
  CHECK_THAT(again.ToString(), Contains("vCPU 3: KVM_CREATE_VCPU"));
  const int beyond = KvmOrSkip().max_vcpu_ids();
  CHECK(VcpuHandle::Create(KvmOrSkip(), guest.vm(), beyond).status().code() ==
        absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a vCPU for which no descriptor is left says so by the limit's name") {
  TestGuest guest;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const Fd probe(dup(guest.vcpu().fd()));
  const rlimit few{static_cast<rlim_t>(probe.get() + 1), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const absl::Status status = VcpuHandle::Create(KvmOrSkip(), guest.vm(), 1).status();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK_THAT(status.ToString(), Contains("vCPU 1") && Contains("RLIMIT_NOFILE"));
}

TEST_CASE("a moved handle closes its descriptor once, where it ends up") {
  Fd first(dup(0));
  const int number = first.get();
  Fd second(std::move(first));
  CHECK_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that it is empty
  CHECK(second.get() == number);
  second = Fd();
  CHECK(fcntl(number, F_GETFD) == -1);
}

TEST_CASE("CPUID cannot change after the first run, and the error says which vCPU") {
  TestGuest guest(/*vcpu_id=*/2);
  guest.Start(StartState::Mode::kReal, {0xf4});
  REQUIRE(guest.Run() == KVM_EXIT_HLT);
  const absl::Status status =
      guest.vcpu().SetCpuid(BuildCpuid(KvmOrSkip().supported_cpuid(), {.apic_id = 9}));
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(status.ToString(), Contains("vCPU 2: KVM_SET_CPUID2"));
}

TEST_CASE("more CPUID entries than KVM takes are refused before it sees them") {
  TestGuest guest;
  const std::vector<kvm_cpuid_entry2> many(257);
  CHECK(guest.vcpu().SetCpuid(many).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("registers come back as they were set") {
  TestGuest guest;
  guest.Start(StartState::Mode::kLong64, {0xf4});
  auto regs = guest.vcpu().GetRegs();
  REQUIRE(regs.ok());
  CHECK(regs->rip == TestGuest::kCode);
  CHECK(regs->rsp == 0x3000);
  const auto sregs = guest.vcpu().GetSregs();
  REQUIRE(sregs.ok());
  CHECK(sregs->cr3 == TestGuest::kPageTables);
  CHECK(sregs->efer == 0x500);

  kvm_debugregs debugregs = DebugRegsAfterInit();
  debugregs.db[1] = 0x1234;
  REQUIRE(guest.vcpu().SetDebugRegs(debugregs).ok());
  const auto read = guest.vcpu().GetDebugRegs();
  REQUIRE(read.ok());
  CHECK(read->db[1] == 0x1234);
  CHECK(read->dr6 == 0xffff'0ff0);
}

TEST_CASE("an MSR that KVM knows is written and read, one that it does not is named") {
  TestGuest guest;
  constexpr uint32_t kSysenterEsp = 0x175;
  REQUIRE(guest.vcpu().SetMsr(kSysenterEsp, 0x1234).ok());
  const auto value = guest.vcpu().GetMsr(kSysenterEsp);
  REQUIRE(value.ok());
  CHECK(*value == 0x1234);
  const auto unknown = guest.vcpu().GetMsr(0xdead);
  CHECK(unknown.status().code() == absl::StatusCode::kNotFound);
  CHECK_THAT(unknown.status().ToString(), Contains("0xdead"));
}

TEST_CASE("linear addresses are translated by the guest's tables") {
  TestGuest guest;
  guest.Start(StartState::Mode::kLong64, {0xf4});
  const auto mapped = guest.vcpu().Translate(0x1234);
  REQUIRE(mapped.ok());
  CHECK(mapped->valid == 1);
  CHECK(mapped->physical_address == 0x1234);
  const auto unmapped = guest.vcpu().Translate(0x40'0000);
  REQUIRE(unmapped.ok());
  CHECK(unmapped->valid == 0);
}

TEST_CASE("the guest's TSC has a rate and an offset") {
  TestGuest guest;
  const auto khz = guest.vcpu().GetTscKhz();
  REQUIRE(khz.ok());
  CHECK(*khz > 0);
  const auto offset = guest.vcpu().GetTscOffset();
  CHECK((offset.ok() || offset.status().code() == absl::StatusCode::kUnimplemented));
}

TEST_CASE("events after INIT clear a queued interrupt, a pending NMI and the NMI mask") {
  TestGuest guest;
  kvm_vcpu_events events = EventsAfterInit();
  events.interrupt.injected = 1;
  events.interrupt.nr = 0x30;
  events.nmi.pending = 1;
  events.nmi.masked = 1;
  REQUIRE(guest.vcpu().SetEvents(events).ok());
  REQUIRE(guest.vcpu().SetEvents(EventsAfterInit()).ok());
  const auto after = guest.vcpu().GetEvents();
  REQUIRE(after.ok());
  CHECK(after->interrupt.injected == 0);
  CHECK(after->nmi.pending == 0);
  CHECK(after->nmi.masked == 0);
}

void Ignore(int) {}

TEST_CASE("a signal that the thread blocks but KVM_RUN's mask does not ends KVM_RUN") {
  TestGuest guest;
  guest.Start(StartState::Mode::kReal, {0xeb, 0xfe});  // jmp .
  struct sigaction before {
  }, action{};
  action.sa_handler = Ignore;
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  sigset_t kick, thread_mask;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  REQUIRE(pthread_sigmask(SIG_BLOCK, &kick, &thread_mask) == 0);
  REQUIRE(guest.vcpu().SetSignalMask(thread_mask).ok());
  pthread_kill(pthread_self(), SIGUSR1);

  const int error = guest.vcpu().RunOnce();  // a mask that did not arrive spins here for good

  sigset_t pending;
  sigpending(&pending);
  const bool left_pending = sigismember(&pending, SIGUSR1) == 1;
  const timespec now{};
  sigtimedwait(&kick, nullptr, &now);
  pthread_sigmask(SIG_SETMASK, &thread_mask, nullptr);
  sigaction(SIGUSR1, &before, nullptr);
  CHECK(error == EINTR);
  CHECK(left_pending);  // KVM_RUN does not take it: the owner does
}

}  // namespace
}  // namespace muster::vcpu
