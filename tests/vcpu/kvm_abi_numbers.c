// What a C compiler makes of the ioctls whose structures end in a flexible array.
#include <linux/kvm.h>

extern const unsigned long kernel_get_supported_cpuid, kernel_set_cpuid2, kernel_get_msrs,
    kernel_set_msrs, kernel_set_signal_mask;

const unsigned long kernel_get_supported_cpuid = KVM_GET_SUPPORTED_CPUID;
const unsigned long kernel_set_cpuid2 = KVM_SET_CPUID2;
const unsigned long kernel_get_msrs = KVM_GET_MSRS;
const unsigned long kernel_set_msrs = KVM_SET_MSRS;
const unsigned long kernel_set_signal_mask = KVM_SET_SIGNAL_MASK;
