// What the CPUs of record_init_sipi execute, each from the first byte: 1 and 2 INIT each other, the
// others send them SIPIs. The one exit that waits for its outcome is the ICR write; the number of the
// CPU comes from CPUID, which is none.

#include "../vcpu/snippets/snippet.inc"

    .globl init_sipi_guest_end

// Loops as often as the next word of the CPU's own 1,024 says, and leaves it in %si: CPU n's begin at
// 0x2000 + 0x800 n, its place in them is at 0x600 + 2 n. %ebp: n.
.macro LINGER
    addw $2, 0x600(,%ebp,2)
    movzwl 0x600(,%ebp,2), %ebx
    andl $0x7fe, %ebx
    movl %ebp, %edi
    shll $11, %edi
    movw 0x2000(%ebx,%edi), %si
    movw %si, %cx
    andw $0x7fff, %cx
    jcxz 2f
1:  loop 1b
2:
.endm
.macro START_AGAIN cpu
    LINGER
    SEND 0x4608, \cpu
.endm

SNIPPET init_sipi_guest
    sti
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %ebp
    leal -1(%ebp), %eax
    cmpl $1, %eax
    jbe crosses

    // The rounds to come are at 0x610; whether there is a CPU 3, at 0x612.
    testl %ebp, %ebp
    jnz again
    cmpw $0, 0x612
    je again
    SEND 0x4608, 3
again:
    START_AGAIN 1
    START_AGAIN 1
    START_AGAIN 2
    testl %ebp, %ebp
    jnz again
    decw 0x610
    jnz again
    SAY 0x10, 1
    STOP

    // To the other, again and again or until it halts. Before, it waits a while for the other to be here
    // too: the byte at 0x620 + n says so of CPU n, and who has seen it clears it.
crosses:
    LINGER
    movl $3, %edx
    subl %ebp, %edx
    movb $1, 0x620(%ebp)
    movw $1000, %cx
3:  cmpb $0, 0x620(%edx)
    loope 3b
    movb $0, 0x620(%edx)
    movl $ICR, %ecx
    movl $0x4500, %eax
    wrmsr
    testw %si, %si
    jns crosses
    STOP
init_sipi_guest_end:
END init_sipi_guest
