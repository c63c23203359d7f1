// ExtINTs, and LINT0.

#include "snippet.inc"

SNIPPET extint_handler_40
    SAY 0x30, 0x40
    iretw
END extint_handler_40

SNIPPET extint_handler_41
    SAY 0x30, 0x41
    iretw
END extint_handler_41

SNIPPET extint_above_priority
    WRITE_MSR TPR, 0xff
    sti
    SAY 0x10, 1
1:  jmp 1b
END extint_above_priority

SNIPPET extint_in_hlt
    sti
    SAY 0x10, 1
1:  hlt
    jmp 1b
END extint_in_hlt

// Interrupts stay off until the host lets the IN give something.
SNIPPET extint_interrupts_off
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    sti
    nop
    nop
    SAY 0x10, 2
1:  hlt
    jmp 1b
END extint_interrupts_off

// LINT0 is masked and, when the host says so, not any more.
SNIPPET extint_unmasks
    WRITE_MSR LVT_LINT0, 0x10700
    sti
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    WRITE_MSR LVT_LINT0, 0x700
1:  hlt
    jmp 1b
END extint_unmasks

SNIPPET extint_masks_and_unmasks
    sti
    SAY 0x10, 1
1:  WRITE_MSR LVT_LINT0, 0x10700
    WRITE_MSR LVT_LINT0, 0x700
    jmp 1b
END extint_masks_and_unmasks

SNIPPET extint_quiet_handler
    lock incl 0x600
    iretw
END extint_quiet_handler

SNIPPET lint0_fixed
    WRITE_MSR LVT_LINT0, 0x41
    sti
    SAY 0x10, 1
1:  hlt
    jmp 1b
END lint0_fixed

// LINT0 is a fixed interrupt and, when the host says so, an ExtINT, by one write.
SNIPPET lint0_fixed_then_extint
    WRITE_MSR LVT_LINT0, 0x41
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    WRITE_MSR TPR, 0xff
    WRITE_MSR LVT_LINT0, 0x700
    sti
1:  hlt
    jmp 1b
END lint0_fixed_then_extint

SNIPPET extint_apic_off
    sti
    WRITE_MSR 0x1b, 0
    SAY 0x10, 1
1:  hlt
    jmp 1b
END extint_apic_off

// An AP that leaves its APIC software-disabled.
SNIPPET ap_stays_disabled
    sti
    SAY 0x20, 1
1:  hlt
    jmp 1b
END ap_stays_disabled

// An AP with interrupts off until the host lets the IN give something.
SNIPPET ap_interrupts_off
    ENABLE_APIC
    SAY 0x20, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    sti
    nop
    SAY 0x20, 2
1:  hlt
    jmp 1b
END ap_interrupts_off
