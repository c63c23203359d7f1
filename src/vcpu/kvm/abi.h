#pragma once

#include <cstddef>
#include <cstdint>
#include <linux/kvm.h>
#include <sys/ioctl.h>

namespace muster::vcpu {

// The ioctls whose structures end in a flexible array. Linux's headers declare that member with
// __DECLARE_FLEX_ARRAY, which in C++ has a size (an empty struct takes a byte), and the size of the
// structure is part of the ioctl's number: the numbers computed by a C++ compiler are refused with
// EINVAL or ENOTTY. These are those of C, with arrays of a fixed length behind the same header.

inline constexpr uint32_t kFlexHeaderBytes = 8;

struct CpuidBuffer {
  static constexpr uint32_t kMaxEntries = 256;  // KVM_MAX_CPUID_ENTRIES
  uint32_t nent = 0;
  uint32_t padding = 0;
  kvm_cpuid_entry2 entries[kMaxEntries];
};
static_assert(offsetof(CpuidBuffer, entries) == kFlexHeaderBytes);

struct MsrBuffer {
  uint32_t nmsrs = 1;
  uint32_t pad = 0;
  kvm_msr_entry entry{};
};
static_assert(offsetof(MsrBuffer, entry) == kFlexHeaderBytes);

struct SignalMaskBuffer {
  uint32_t len = 8;  // the kernel's sigset_t, not the C library's
  uint8_t sigset[8];
};
static_assert(offsetof(SignalMaskBuffer, sigset) == 4);

inline constexpr unsigned long kGetSupportedCpuid =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, kFlexHeaderBytes);
inline constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, kFlexHeaderBytes);
inline constexpr unsigned long kGetMsrs =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x88, kFlexHeaderBytes);
inline constexpr unsigned long kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, kFlexHeaderBytes);
inline constexpr unsigned long kSetSignalMask =
    _IOC(_IOC_WRITE, KVMIO, 0x8b, offsetof(SignalMaskBuffer, sigset));

}  // namespace muster::vcpu
