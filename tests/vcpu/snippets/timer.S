// The local APIC's timer.

#include "snippet.inc"

SNIPPET timer_wakes_hlt
    WRITE_MSR DIVIDE, 0xb
    WRITE_MSR LVT_TIMER, 0x40
    movw $20, %bp
1:  WRITE_MSR INITIAL_COUNT, 100000
    sti
    hlt
    cli
    decw %bp
    jnz 1b
    SAY 0x10, 1
    STOP
END timer_wakes_hlt

// Says whether CPUID.1:ECX[24] is set, and where it is wakes 20 times by the deadline.
SNIPPET deadline_wakes_hlt
    movl $1, %eax
    cpuid
    shrl $24, %ecx
    andb $1, %cl
    movb %cl, %al
    outb %al, $0x11
    testb %cl, %cl
    jz 2f
    WRITE_MSR LVT_TIMER, 0x40040
    movw $20, %bp
1:  rdtsc
    addl $500000, %eax
    adcl $0, %edx
    movl $TSC_DEADLINE, %ecx
    wrmsr
    sti
    hlt
    cli
    decw %bp
    jnz 1b
2:  SAY 0x10, 1
    STOP
END deadline_wakes_hlt

SNIPPET timer_while_running
    WRITE_MSR DIVIDE, 0xb
    WRITE_MSR LVT_TIMER, 0x20040
    WRITE_MSR INITIAL_COUNT, 3000000
    sti
1:  cmpb $10, 0x500
    jb 1b
    cli
    SAY 0x10, 1
    STOP
END timer_while_running

SNIPPET handler_counts
    pushl %eax
    pushl %ecx
    pushl %edx
    incb 0x500
    WRITE_MSR EOI, 0
    popl %edx
    popl %ecx
    popl %eax
    iretw
END handler_counts

SNIPPET timer_periodic_halts
    WRITE_MSR DIVIDE, 0xb
    WRITE_MSR LVT_TIMER, 0x20040
    WRITE_MSR INITIAL_COUNT, 3000000
    sti
1:  hlt
    cmpb $20, 0x500
    jb 1b
    SAY 0x10, 1
    jmp 1b
END timer_periodic_halts

SNIPPET timer_armed_far
    WRITE_MSR SVR, 0x1ff
    WRITE_MSR DIVIDE, 0xb
    WRITE_MSR LVT_TIMER, 0x40
    WRITE_MSR INITIAL_COUNT, 0xffffffff
    sti
    SAY 0x10, 1
1:  hlt
    jmp 1b
END timer_armed_far
