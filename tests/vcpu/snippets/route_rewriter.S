// See route_storm.cc.

#include "snippet.inc"

// CPU n rewrites the entry of pin n % 16 until 0x654 is set, under a lock, since the register is
// selected and written by two stores. The CPU that 0x648 names halts instead. 16-bit protected mode
// with flat data; the GDT's pointer is at 0x6f0. Its TPR keeps out what the entries send.
SNIPPET route_rewriter
    ENABLE_APIC
    WRITE_MSR TPR, 0xff
    movl $ID, %ecx
    rdmsr
    movl %eax, %esi
    cmpl %esi, 0x648
    je 5f
    movl %esi, %edi
    andl $15, %edi
    addl %edi, %edi
    addl $0x11, %edi
    xorl %ebp, %ebp
    lgdtl 0x6f0
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpw $8, $(1f - route_rewriter)
1:  movw $0x10, %ax
    movw %ax, %ds
    sti
2:  movb $1, %al
    xchgb %al, 0x640
    testb %al, %al
    jz 3f
    pause
    jmp 2b
3:  leal 1(%ebp, %esi), %ebx  // the destination: CPUs 1 to 2, in turn
    andl $1, %ebx
    incl %ebx
    shll $24, %ebx
    movl $0xfec00000, %edx
    movl %edi, (%edx)
    movl %ebx, 0x10(%edx)
    leal -1(%edi), %ebx
    movl %ebx, (%edx)
    movl %ebp, %ebx
    andl $1, %ebx
    addl $0x40, %ebx
    movl %ebx, 0x10(%edx)
    movb $0, 0x640
    incl %ebp
    cmpb $0, 0x654
    je 2b
    SAY 0x20, 1
5:  STOP
END route_rewriter
