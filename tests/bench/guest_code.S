// What the benchmarks' vCPUs execute in real mode, CS:0 at the first byte, DS = 0, APICs in x2APIC
// mode. The same bytes run on Muster and on the bare loop.

    .section .rodata
    .code16

.macro SNIPPET name
    .balign 16
    .global \name
\name:
.endm
.macro END name
    .global \name\()_end
\name\()_end:
.endm
.macro WRITE_MSR msr, low, high=0
    movl $\msr, %ecx
    movl $\low, %eax
    movl $\high, %edx
    wrmsr
.endm
#define EOI 0x80b
#define SVR 0x80f
#define ICR 0x830

SNIPPET bench_port_exits
1:  outb %al, $0x10
    jmp 1b
END bench_port_exits

// Each CPU waits in a loop, with interrupts on, for its flag, which its handler sets, and then sends
// the other an interrupt: whenever one arrives it can be taken at once. OUT 0x10 ends each batch of
// round trips; the host patches their number in at bench_ping_rounds.
SNIPPET bench_ping
    WRITE_MSR SVR, 0x1ff
    WRITE_MSR ICR, 0x4500, 1
    WRITE_MSR ICR, 0x4608, 1
    sti
1:  cmpb $0, 0x501 // the other is ready
    je 1b
2:  outb %al, $0x10
    .byte 0x66, 0xbd // movl $..., %ebp
    .global bench_ping_rounds
bench_ping_rounds:
    .long 0
3:  WRITE_MSR ICR, 0x40, 1
4:  cmpb $0, 0x500
    je 4b
    movb $0, 0x500
    decl %ebp
    jnz 3b
    jmp 2b
END bench_ping

SNIPPET bench_pong
    WRITE_MSR SVR, 0x1ff
    movb $1, 0x501
    sti
1:  cmpb $0, 0x510
    je 1b
    movb $0, 0x510
    WRITE_MSR ICR, 0x41, 0
    jmp 1b
END bench_pong

.macro HANDLER flag
    pushl %eax
    pushl %ecx
    pushl %edx
    movb $1, \flag
    WRITE_MSR EOI, 0
    popl %edx
    popl %ecx
    popl %eax
    iretw
.endm
SNIPPET bench_on_ping // vector 0x40, CPU 1
    HANDLER 0x510
END bench_on_ping
SNIPPET bench_on_pong // vector 0x41, CPU 0
    HANDLER 0x500
END bench_on_pong

    .section .note.GNU-stack, "", @progbits
