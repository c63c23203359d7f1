// Lives that end in the middle of an access.

#include "snippet.inc"

// In xAPIC mode with the page at 0x100000: software-enables the APIC by a read-modify-write, again
// and again. DS is real mode's highest.
SNIPPET ap_exchanges_svr
    WRITE_MSR 0x1b, 0x00100000
    WRITE_MSR 0x1b, 0x00100800
    xorw %ax, %ax
    movw %ax, %ds
    movb $1, 0x500
    movw $0xffff, %ax
    movw %ax, %ds
1:  movl $0x1ff, %eax
    xchgl %eax, 0x100
    jmp 1b
END ap_exchanges_svr

// Starts CPU 1, waits until it runs and a little longer, sends INIT; IN 0x11 waits for the host.
SNIPPET init_again_and_again
    sti
1:  movb $0, 0x500
    START 1
2:  cmpb $0, 0x500
    je 2b
    inb $0x12, %al
    inb $0x12, %al
    SEND 0x4500, 1
    SAY 0x10, 1
    inl $0x41, %eax
    jmp 1b
END init_again_and_again

SNIPPET says_for_ever
    movb $1, 0x500
1:  SAY 0x20, 1
    jmp 1b
END says_for_ever

// Says what KVM's clock and IA32_TSC_ADJUST are, by their low halves, and changes them.
SNIPPET ap_says_msrs
    movl $0x4b564d01, %ecx
    rdmsr
    outl %eax, $0x20
    movl $0x7001, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x3b, %ecx
    rdmsr
    outl %eax, $0x20
    movl $0x100000, %eax
    xorl %edx, %edx
    wrmsr
1:  rdmsr
    outl %eax, $0x20
    jmp 1b
END ap_says_msrs
