// Interrupts that wait for IF or for the priority.

#include "snippet.inc"

// With interrupts off the vector completes no HLT, of however many bytes.
SNIPPET hlt_behind_prefixes
    ENABLE_APIC
    WRITE_MSR SELF_IPI, 0x40
    .rept 14
    .byte 0x66
    .endr
    hlt
    SAY 0x11, 1
    STOP
END hlt_behind_prefixes

// A self-IPI with interrupts off is taken at the instruction after the shadow of STI, not before.
SNIPPET sti_shadow
    xorl %ebx, %ebx
    WRITE_MSR SELF_IPI, 0x40
    sti
    incl %ebx
    incl %ebx
    incl %ebx
    STOP
END sti_shadow

SNIPPET handler_says_bx
    movb %bl, %al
    outb %al, $0x30
    WRITE_MSR EOI, 0
    iretw
END handler_says_bx

// Windows of one instruction, and an interrupt that waits for them from the start.
SNIPPET narrow_windows
    xorl %ebx, %ebx
    WRITE_MSR SELF_IPI, 0x40
    movw $60, %si
1:  incl %ebx
    sti
    nop
    cli
    decw %si
    jnz 1b
    SAY 0x10, 1
    STOP
END narrow_windows

// The same without an end and without an exit, the interrupt coming from elsewhere.
SNIPPET narrow_windows_for_ever
    SAY 0x10, 1
1:  movw $300, %si
2:  decw %si
    jnz 2b
    sti
    nop
    cli
    jmp 1b
END narrow_windows_for_ever

SNIPPET two_vectors_by_priority
    WRITE_MSR SELF_IPI, 0x41
    WRITE_MSR SELF_IPI, 0x52
    sti
    nop
    nop
    STOP
END two_vectors_by_priority

SNIPPET handler_41
    SAY 0x30, 0x41
    WRITE_MSR EOI, 0
    iretw
END handler_41

SNIPPET handler_52
    SAY 0x30, 0x52
    WRITE_MSR EOI, 0
    iretw
END handler_52

SNIPPET masked_by_tpr
    WRITE_MSR TPR, 0x50
    WRITE_MSR SELF_IPI, 0x41
    sti
    nop
    nop
    SAY 0x30, 1
    WRITE_MSR TPR, 0x30
    nop
    SAY 0x30, 2
    STOP
END masked_by_tpr

// Long mode, an IDT at 0x14000 whose pseudo-descriptor is at 0x520. CR8 masks the vector, and then
// no longer does, with no exit of the guest's own making.
SNIPPET lower_cr8
    .code64
    lidt 0x520
    movl $5, %eax
    movq %rax, %cr8
    WRITE_MSR SELF_IPI, 0x41
    sti
    nop
    nop
    SAY 0x30, 1
    movl $3, %eax
    movq %rax, %cr8
    movl $200000, %ecx
1:  cmpb $0, 0x500
    jne 2f
    decl %ecx
    jnz 1b
2:  movq %cr8, %rax
    outb %al, $0x31
    SAY 0x30, 2
    STOP
    .code16
END lower_cr8

SNIPPET handler_long
    .code64
    pushq %rax
    pushq %rcx
    pushq %rdx
    incb 0x500
    SAY 0x30, 0x41
    WRITE_MSR EOI, 0
    popq %rdx
    popq %rcx
    popq %rax
    iretq
    .code16
END handler_long
