// The TSC's offset of a vCPU that comes again while a pause ends, on real KVM, where it keeps
// offsets.

#include <absl/cleanup/cleanup.h>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <linux/kvm.h>
#include <string>
#include <sys/ioctl.h>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kForever = 60'000'000'000;

// Of a vCPU that no thread runs, which KVM would wait for, of the one VM of this process.
int64_t TscOffset(int cpu) {
  const std::string name = "anon_inode:kvm-vcpu:" + std::to_string(cpu);
  for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(fd, gone) != name) continue;
    int64_t offset = 0;
    kvm_device_attr attribute{};
    attribute.group = KVM_VCPU_TSC_CTRL;
    attribute.attr = KVM_VCPU_TSC_OFFSET;
    attribute.addr = reinterpret_cast<uint64_t>(&offset);
    REQUIRE(ioctl(std::stoi(fd.path().filename()), KVM_GET_DEVICE_ATTR, &attribute) == 0);
    return offset;
  }
  FAIL("no descriptor is " << name);
  return 0;
}

TEST_CASE("a vCPU that comes again while a pause ends has the others' TSC", "[tsc]") {
  if (!ProbeHost(KvmOrSkip()).value().rdtsc_obeys_offset) Skip("this KVM keeps no offset");
  TestVm t(1, {.max_cpus = 4, .x2apic = true, .trace_events = 8});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(tsc_on_demand));
  t.Start();
  for (int cpu = 1; cpu < 4; ++cpu) REQUIRE(t.vm().AddVcpu(cpu).ok());
  absl::StatusOr<Pause> pause = t.vm().Pause(kForever);
  REQUIRE(pause.ok());

  // vCPU 1 is in the hands of who removes it and wants the time of that. Who ends the pause waits
  // for it, and then come 2 and 3.
  std::atomic<bool> removes{false}, goes_on{false};
  std::jthread first([&] {
    t.clock().AtNextLook(std::this_thread::get_id(), [&] {
      removes = true;
      while (!goes_on) std::this_thread::yield();
    });
    (void)t.vm().RemoveVcpu(1);
  });
  t.Await("vCPU 1 to go", [&] { return removes.load(); });
  std::jthread ends([&] { (void)pause->Resume(); });
  const absl::Cleanup let_go = [&] { goes_on = true; };  // also where a check fails
  const int64_t before = TscOffset(3);
  t.Await("the VM's offset to be moved", [&] {
    return t.vm().RemoveVcpu(2).ok() && t.vm().AddVcpu(2).ok() && TscOffset(2) != before;
  });
  CHECK(TscOffset(3) == before);
  goes_on = true;
  ends.join();
  first.join();
  CHECK(TscOffset(3) != before);
  CHECK(TscOffset(2) == TscOffset(3));
}

}  // namespace
}  // namespace muster::vcpu
