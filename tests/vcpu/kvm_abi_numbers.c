// What a C compiler makes of the ioctls whose structures end in a flexible array.
#include <linux/kvm.h>

extern const unsigned long kKernelGetSupportedCpuid, kKernelSetCpuid2, kKernelGetMsrs,
    kKernelSetMsrs, kKernelSetSignalMask;

const unsigned long kKernelGetSupportedCpuid = KVM_GET_SUPPORTED_CPUID;
const unsigned long kKernelSetCpuid2 = KVM_SET_CPUID2;
const unsigned long kKernelGetMsrs = KVM_GET_MSRS;
const unsigned long kKernelSetMsrs = KVM_SET_MSRS;
const unsigned long kKernelSetSignalMask = KVM_SET_SIGNAL_MASK;
