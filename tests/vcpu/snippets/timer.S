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

// Says whether CPUID.1:ECX[24] is set, and where it is wakes 20 times by the deadline, which is as
// many ticks ahead as 0x524 has.
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
    addl 0x524, %eax
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

// Arms a deadline that is far away, and has the TSC jump past it by the MSR in 0x520. The
// interrupt waits then. Says what the deadline MSR has left.
SNIPPET deadline_is_passed
    WRITE_MSR LVT_TIMER, 0x40040
    rdtsc
    addl $0x10000, %edx
    movl $TSC_DEADLINE, %ecx
    wrmsr
    movl 0x520, %ecx
    rdmsr
    addl $0x20000, %edx
    wrmsr
    sti
    nop
    nop
    cli
    movb 0x500, %al
    outb %al, $0x11
    movl $TSC_DEADLINE, %ecx
    rdmsr
    orl %edx, %eax
    outl %eax, $0x12
    SAY 0x10, 1
    STOP
END deadline_is_passed

// Arms a deadline of a few tenths of a second, more than the next exits take on an emulated
// machine, and has the TSC jump back. When it would have passed there
// has been no interrupt, and the deadline MSR has what was written.
SNIPPET deadline_is_put_off
    WRITE_MSR LVT_TIMER, 0x40040
    movl 0x520, %ecx
    rdmsr
    addl $0x20000, %edx // so that it can go back
    wrmsr
    movl $TSC, %ecx
    rdmsr
    addl $0x40000000, %eax
    adcl $0, %edx
    movl %edx, %edi
    movl $TSC_DEADLINE, %ecx
    wrmsr
    movl 0x520, %ecx
    rdmsr
    subl $0x10000, %edx
    wrmsr
    sti
    rdtsc
    movl %eax, %ebx
1:  rdtsc
    subl %ebx, %eax
    cmpl $0x60000000, %eax
    jb 1b
    cli
    movb 0x500, %al
    outb %al, $0x11
    movl $TSC_DEADLINE, %ecx
    rdmsr
    subl %edi, %edx
    movl %edx, %eax
    outl %eax, $0x12
    SAY 0x10, 1
    STOP
END deadline_is_put_off

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

// A processor that forgets STI's shadow, as QEMU's VMRUN does, takes this between STI and HLT: the
// HLT would sleep through the only wake there is, and is stepped over.
SNIPPET handler_counts
    pushl %eax
    pushl %ecx
    pushl %edx
    pushl %esi
    pushl %edi
    incb 0x500
    movw %sp, %si
    movw %ss:22(%si), %es
    movw %ss:20(%si), %di
    cmpb $0xf4, %es:(%di)
    jne 1f
    incw %ss:20(%si)
1:  WRITE_MSR EOI, 0
    popl %edi
    popl %esi
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
