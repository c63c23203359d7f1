// The guest debugs itself while an interrupt waits with IF = 0.

#include "snippet.inc"

#define DB_BS 0x4000
#define EFLAGS_TF 0x100

// Steps itself through eight instructions, one of which exits.
SNIPPET steps_itself
    xorl %ebx, %ebx
    WRITE_MSR SELF_IPI, 0x40
    pushfw
    popw %ax
    orw $EFLAGS_TF, %ax
    pushw %ax
    popfw
    nop
    outb %al, $0x12
    nop
    pushfw
    popw %ax
    andw $~EFLAGS_TF, %ax
    pushw %ax
    popfw
    movb %bl, %al
    outb %al, $0x10
    sti
    nop
    nop
    STOP
END steps_itself

// Counts those that DR6 says are single steps.
SNIPPET handler_counts_steps
    pushl %eax
    movl %dr6, %eax
    testl $DB_BS, %eax
    jz 1f
    incl %ebx
1:  movl $0xffff0ff0, %eax
    movl %eax, %dr6
    popl %eax
    iretw
END handler_counts_steps

// TF is not in the flags that it pushes.
SNIPPET pushes_flags
    WRITE_MSR SELF_IPI, 0x40
    movw $20, %si
1:  pushfw
    popw %ax
    testw $EFLAGS_TF, %ax
    jnz 2f
    decw %si
    jnz 1b
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
2:  SAY 0x11, 1
    STOP
END pushes_flags

// The same with 32 bits, and a stack that wraps.
SNIPPET pushes_wide_flags
    WRITE_MSR SELF_IPI, 0x40
    movw $20, %si
1:  xorw %sp, %sp
    pushfl
    popl %eax
    testl $EFLAGS_TF, %eax
    jnz 2f
    xorw %sp, %sp
    pushfw
    popw %ax
    testw $EFLAGS_TF, %ax
    jnz 2f
    decw %si
    jnz 1b
    movw $0x1000, %sp
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
2:  SAY 0x11, 1
    STOP
END pushes_wide_flags

// A PUSHF that faults, at an address with bit 8: its handler says the high byte of the IP that it
// is given.
SNIPPET pushf_faults
    WRITE_MSR SELF_IPI, 0x40
    jmp 1f
    .org pushf_faults + 0x180
1:  nop
    .byte 0xf0, 0x9c // LOCK PUSHF
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
END pushf_faults

SNIPPET ud_handler_says_ip
    nop
    pushw %bp
    movw %sp, %bp
    pushl %eax
    movb 3(%bp), %al
    outb %al, $0x11
    orb $1, 3(%bp)
    addw $2, 2(%bp) // past LOCK PUSHF
    popl %eax
    popw %bp
    iretw
END ud_handler_says_ip

// Its first instruction has the stack elsewhere, where a pointer at 0x540 says.
SNIPPET ud_handler_changes_stack
    lssw 0x540, %sp
    SAY 0x11, 1
    STOP
END ud_handler_changes_stack

// A breakpoint of execution.
SNIPPET breaks
    WRITE_MSR SELF_IPI, 0x40
    movl $0x1080, %eax
    movl %eax, %dr0
    movl $0x401, %eax
    movl %eax, %dr7
    nop
    jmp 1f
    .org breaks + 0x80
1:  nop
    nop
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
END breaks

// Once, and says DR6.
SNIPPET handler_says_dr6
    pushl %eax
    movl %dr6, %eax
    outl %eax, $0x11
    movl $0x400, %eax
    movl %eax, %dr7
    popl %eax
    iretw
END handler_says_dr6

// The handler of an exception sets a breakpoint of data and meets it.
SNIPPET faults
    WRITE_MSR SELF_IPI, 0x40
    nop
    ud2
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
END faults

SNIPPET ud_handler_breaks
    pushw %bp
    movw %sp, %bp
    pushl %eax
    movl $0x500, %eax
    movl %eax, %dr0
    movl $0x10401, %eax // a byte, written
    movl %eax, %dr7
    movb $1, 0x500
    nop
    addw $2, 2(%bp) // past UD2
    popl %eax
    popw %bp
    iretw
END ud_handler_breaks

SNIPPET int1
    WRITE_MSR SELF_IPI, 0x40
    nop
    .byte 0xf1
    .byte 0xf1
    nop
    SAY 0x10, 1
    sti
    nop
    nop
    STOP
END int1
