// IA32_APIC_BASE is written.

#include "snippet.inc"

// CPU 1 disables its APIC in hardware; CPU 0 sends NMI to all but itself.
SNIPPET disables_apic
    sti
    WRITE_MSR 0x1b, 0
    movb $1, 0x500
1:  cmpb $0, 0x501
    je 1b
    SAY 0x20, 1
    STOP
END disables_apic

SNIPPET nmi_to_others
    sti
    START 1
1:  cmpb $0, 0x500
    je 1b
    SEND 0xc4400
    movb $1, 0x501
    STOP
END nmi_to_others

SNIPPET apic_over_ram
    WRITE_MSR 0x1b, 0x00000100
    WRITE_MSR 0x1b, 0x00080900
    SAY 0x10, 1
    STOP
END apic_over_ram
