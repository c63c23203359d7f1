#include "kvm_fixture.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/kvm/reset_state.h>

namespace muster::vcpu {

void Skip(const std::string& reason) {
  std::printf("skipped: %s\n", reason.c_str());
  std::exit(77);  // NOLINT(concurrency-mt-unsafe): the only thread
}

const System& KvmOrSkip() {
  static const absl::StatusOr<System> kSystem = System::Open();
  if (!kSystem.ok()) Skip(kSystem.status().ToString());
  return *kSystem;
}

HostMemory::HostMemory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  bytes_ = {static_cast<uint8_t*>(memory), bytes};
}

HostMemory::~HostMemory() { munmap(bytes_.data(), bytes_.size()); }

TestGuest::TestGuest(int vcpu_id)
    : slots_([this] {
        absl::StatusOr<VmHandle> vm = VmHandle::Create(KvmOrSkip());
        INFO(vm.status().ToString());
        REQUIRE(vm.ok());
        return &vm_.emplace(*std::move(vm));
      }()) {
  REQUIRE(slots_.Add(0, memory_.bytes()).ok());
  absl::StatusOr<VcpuHandle> vcpu = VcpuHandle::Create(KvmOrSkip(), *vm_, vcpu_id);
  INFO(vcpu.status().ToString());
  REQUIRE(vcpu.ok());
  vcpu_.emplace(*std::move(vcpu));
  const absl::Status cpuid = vcpu_->SetCpuid(
      BuildCpuid(KvmOrSkip().supported_cpuid(), {.apic_id = static_cast<uint32_t>(vcpu_id)}));
  INFO(cpuid.ToString());
  REQUIRE(cpuid.ok());

  const auto store = [this](uint64_t at, uint64_t value) {
    std::memcpy(memory().data() + at, &value, sizeof(value));
  };
  store(kPageTables, (kPageTables + 0x1000) | 3);
  store(kPageTables + 0x1000, (kPageTables + 0x2000) | 3);
  store(kPageTables + 0x2000, 0x83);
}

void TestGuest::Load(uint64_t address, std::initializer_list<uint8_t> code) {
  std::copy(code.begin(), code.end(), memory().begin() + static_cast<ptrdiff_t>(address));
}

void TestGuest::SetVector(uint8_t vector, uint16_t offset) {
  const uint32_t pointer = offset;
  std::memcpy(&memory()[size_t{vector} * sizeof(pointer)], &pointer, sizeof(pointer));
}

void TestGuest::Start(StartState::Mode mode, std::initializer_list<uint8_t> code) {
  Load(kCode, code);
  const auto before = vcpu_->GetSregs();
  REQUIRE(before.ok());
  const auto start = AtStart({.mode = mode, .rip = kCode, .rsp = 0x3000, .cr3 = kPageTables},
                             *before, /*signature=*/0);
  REQUIRE(start.ok());
  REQUIRE(vcpu_->SetSregs(start->sregs).ok());
  REQUIRE(vcpu_->SetRegs(start->regs).ok());
}

uint32_t TestGuest::Run() {
  int error;
  do {
    error = vcpu_->RunOnce();
  } while (error == EINTR);
  REQUIRE(error == 0);
  return run().exit_reason;
}

uint32_t TestGuest::RunToOut() {
  REQUIRE(Run() == KVM_EXIT_IO);
  REQUIRE(run().io.direction == KVM_EXIT_IO_OUT);
  uint32_t value = 0;
  std::memcpy(&value, reinterpret_cast<const uint8_t*>(&run()) + run().io.data_offset,
              run().io.size);
  return value;
}

void TestGuest::FinishExit() {
  run().immediate_exit = 1;
  const int error = vcpu_->RunOnce();
  run().immediate_exit = 0;
  REQUIRE(error == EINTR);
}

}  // namespace muster::vcpu
