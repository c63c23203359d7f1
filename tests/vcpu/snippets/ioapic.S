// What the I/O APIC's interrupts meet, and who stores to it.

#include "snippet.inc"

// 32-bit protected mode: makes the stores that the host asks for. IN 0x41 gives the address, IN
// 0x42 the value; OUT 0x43 says that the store is done.
SNIPPET store_robot
    .code32
1:  inl $0x41, %eax
    movl %eax, %edi
    inl $0x42, %eax
    movl %eax, (%edi)
    outb %al, $0x43
    jmp 1b
    .code16
END store_robot

// An AP that takes vectors 0x40 and 0x41 in HLT.
SNIPPET ap_takes_interrupts
    ENABLE_APIC
    sti
    SAY 0x20, 1
1:  hlt
    jmp 1b
END ap_takes_interrupts

// An AP whose APIC stays software-disabled until the host sets a word; then as above.
SNIPPET ap_enables_later
    sti
    SAY 0x20, 1
1:  cmpb $0, 0x501
    je 1b
    ENABLE_APIC
    sti
1:  hlt
    jmp 1b
END ap_enables_later

// CPU 1 disables its APIC when the host sets a word; the others have a higher priority.
SNIPPET ap_disables_when_told
    ENABLE_APIC
    movl $ID, %ecx
    rdmsr
    cmpl $1, %eax
    je 2f
    WRITE_MSR TPR, 0x30
    sti
    SAY 0x20, 1
1:  hlt
    jmp 1b
2:  sti
    SAY 0x20, 1
3:  cmpb $0, 0x501
    je 3b
    WRITE_MSR SVR, 0xff
4:  hlt
    jmp 4b
END ap_disables_when_told

SNIPPET handler_40
    pushl %eax
    pushl %ecx
    pushl %edx
    SAY 0x30, 0x40
    WRITE_MSR EOI, 0
    popl %edx
    popl %ecx
    popl %eax
    iretw
END handler_40
