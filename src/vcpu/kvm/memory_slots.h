#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <span>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/kvm/memory_map.h>

namespace muster::vcpu {

class VmCore;
class VmHandle;

// A VM's memory slots, as Vm::memory() gives them: Add and Note before any vCPU runs, and what is
// there may then be looked at from any thread.
class MemorySlots {
 public:
  // Puts `host` at guest-physical `gpa`. Guest writes to a read-only slot exit as MMIO. The memory
  // stays its user's and outlives the VM. KVM's slots are numbered from KVM_CAP_NR_MEMSLOTS - 2
  // down in the order of these calls, and the one above is a probe's: the maker of an adopted VM
  // numbers its own from 0 up. Where they meet KVM refuses the
  // call, unless size and host address are the same too: that moves the maker's slot. Errors: those
  // of MemoryMap::Add and KVM's; FailedPrecondition once a vCPU has entered the guest.
  absl::Status Add(uint64_t gpa, std::span<uint8_t> host, bool read_only = false)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Tells of memory that the VM's maker has put there by a slot of its own (VmConfig::vm_fd).
  // `read_only` as of that slot. Errors: those of MemoryMap::Add; FailedPrecondition as of Add.
  // Slots of the maker's may come and go also while the VM runs, and need not be told of. The
  // library reads and writes the guest's memory only where it single-steps the guest to find when
  // it takes interrupts (HostTraits): in code that it knows nothing of, a HLT may then end early,
  // and a PUSHF show TF.
  absl::Status Note(uint64_t gpa, std::span<uint8_t> host, bool read_only = false)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The host bytes of [gpa, gpa + length), or an empty span where no one slot holds them all.
  std::span<const uint8_t> Find(uint64_t gpa, uint64_t length) const {
    return map_.Find(gpa, length);
  }
  // The same to be written: see MemoryMap::FindWritable.
  std::span<uint8_t> FindWritable(uint64_t gpa, uint64_t length) const {
    return map_.FindWritable(gpa, length);
  }

  // Whether an access to this address reaches memory and so does not exit.
  bool Contains(uint64_t gpa) const { return map_.Contains(gpa); }

 protected:
  // `vm` outlives this.
  explicit MemorySlots(const VmHandle* vm) : vm_(vm) {}

 private:
  friend class VmCore;

  // Nothing is added from here on.
  void Seal() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status MayAdd(const char* call, uint64_t gpa, uint64_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const VmHandle* vm_;
  sync::Mutex mutex_;
  bool sealed_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t added_ ABSL_GUARDED_BY(mutex_) = 0;  // slots
  // Changes under the mutex, and not any more once sealed: vCPUs read it without.
  MemoryMap map_;
};

}  // namespace muster::vcpu
