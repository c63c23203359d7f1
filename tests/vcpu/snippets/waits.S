// What a kick, a pause or a look finds: CPUs that spin or halt.

#include "snippet.inc"

SNIPPET spin
    sti
    SAY 0x10, 1
1:  jmp 1b
END spin

SNIPPET spin_masked
    SAY 0x10, 1
1:  jmp 1b
END spin_masked

SNIPPET halt_masked
    cli
    SAY 0x10, 1
    hlt
    SAY 0x11, 1
    STOP
END halt_masked

SNIPPET halt_open
    sti
    SAY 0x10, 1
1:  hlt
    SAY 0x12, 1
    jmp 1b
END halt_open

SNIPPET handler_says
    pushl %eax
    pushl %ecx
    pushl %edx
    SAY 0x30, 1
    WRITE_MSR EOI, 0
    popl %edx
    popl %ecx
    popl %eax
    iretw
END handler_says

SNIPPET nmi_handler_says
    pushw %ax
    SAY 0x31, 1
    popw %ax
    iretw
END nmi_handler_says

// Reads the TSC into 0x510 each time that the host sets 0x500.
SNIPPET tsc_on_demand
    sti
1:  cmpb $0, 0x500
    je 1b
    movb $0, 0x500
    rdtsc
    movl %eax, 0x510
    movl %edx, 0x514
    SAY 0x10, 1
    jmp 1b
END tsc_on_demand

// Reads it into 0x530 before anything else, then each time that the host sets 0x520; counts in 0x538.
SNIPPET ap_tsc_on_demand
1:  rdtsc
    movl %eax, 0x530
    movl %edx, 0x534
    incl 0x538
    sti
2:  cmpb $0, 0x520
    je 2b
    movb $0, 0x520
    jmp 1b
END ap_tsc_on_demand
