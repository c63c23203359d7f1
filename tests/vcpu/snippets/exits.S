// What leaves Run: ports, and what the guest cannot survive.

#include "snippet.inc"

SNIPPET port_echo
    inb $0x11, %al
    outb %al, $0x10
    inw $0x11, %ax
    outw %ax, $0x10
    inl $0x11, %eax
    outl %eax, $0x10
    STOP
END port_echo

// 32-bit protected mode: emulating KVMs do not know a real-mode IDT limit.
SNIPPET triple_fault
    .code32
    lidtl 0x510 // limit 0
    SAY 0x10, 1
    ud2
    .code16
END triple_fault

// The same, when told to.
SNIPPET triple_fault_when_told
    .code32
    sti
    SAY 0x10, 1
1:  cmpb $0, 0x501
    je 1b
    lidtl 0x510
    ud2
    .code16
END triple_fault_when_told

SNIPPET unknown_msr
    movl $0xdeadbeef, %ecx
    rdmsr
    SAY 0x10, 1
    STOP
END unknown_msr

SNIPPET gp_handler
    SAY 0x30, 0x0d
    STOP
END gp_handler
