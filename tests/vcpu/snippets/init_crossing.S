// INITs that meet a CPU in the guest, another's SIPI or another INIT.

#include "snippet.inc"

// The AP counts at 0x600. After each INIT the count must stand still.
SNIPPET ap_counts
    sti
1:  incl 0x600
    jmp 1b
END ap_counts

SNIPPET init_running
    sti
    movw $50, %bp
1:  START 1
    movl 0x600, %ebx
2:  cmpl %ebx, 0x600
    je 2b
    SEND 0x4500, 1
    movl 0x600, %ebx
    movw $200, %si
3:  cmpl %ebx, 0x600
    jne 4f
    decw %si
    jnz 3b
    decw %bp
    jnz 1b
    SAY 0x10, 1
    STOP
4:  SAY 0x11, 1
    STOP
END init_running

// CPU 0 sends INIT to CPU 2 and then lets CPU 1 know, which sends the SIPI at once.
SNIPPET sipi_edge_cpu0
    sti
    START 1
    movl $200, %ebp
1:  movl 0x600, %ebx
    SEND 0x4500, 2
    movl $1, 0x700
    SEND 0x4608, 2
2:  cmpl %ebx, 0x600
    je 2b
3:  cmpl $0, 0x700
    jne 3b
    decl %ebp
    jnz 1b
    SAY 0x10, 1
    STOP
END sipi_edge_cpu0

SNIPPET sipi_edge_cpu1
    sti
1:  cmpl $1, 0x700
    jne 1b
    SEND 0x4609, 2
    movl $0, 0x700
    jmp 1b
END sipi_edge_cpu1

SNIPPET sipi_edge_cpu2
    lock incl 0x600
    STOP
END sipi_edge_cpu2

// Started again and again, each CPU sends INIT to the other. Whoever is reset stays so until CPU 0
// starts it again.
SNIPPET cross_init_ap1
    lock incl 0x600
    SEND 0x4500, 2
    lock incl 0x604
    STOP
END cross_init_ap1

SNIPPET cross_init_ap2
    lock incl 0x608
    SEND 0x4500, 1
    lock incl 0x60c
    STOP
END cross_init_ap2

SNIPPET cross_init_cpu0
    sti
    movl $300, %ebp
1:  SEND 0x4500, 1
    SEND 0x4500, 2
    movl 0x600, %ebx
    movl 0x608, %edi
    SEND 0x4608, 1
    SEND 0x4609, 2
    // At least one of them has run.
2:  cmpl %ebx, 0x600
    jne 3f
    cmpl %edi, 0x608
    je 2b
3:  decl %ebp
    jnz 1b
    SAY 0x10, 1
    STOP
END cross_init_cpu0

SNIPPET init_self
    movb 0x500, %al
    outb %al, $0x10
    incb 0x500
    cmpb $3, 0x500
    je 1f
    SEND 0x4500, 0
    SAY 0x11, 1
1:  STOP
END init_self
