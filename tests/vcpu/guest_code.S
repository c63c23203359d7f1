// What the guests of the run loop's tests execute, each snippet next to nothing and named after the
// test that it is for. Real mode unless said otherwise, CS:0 at its first byte, DS = 0. APICs are in
// x2APIC mode: MSR 0x800 + register. Those that wait by spinning have interrupts on, though none
// comes: what spins with interrupts off is never interrupted again under Bochs' VMX.

    .section .rodata
    .code16

// END enters the snippet in a table of {name, begin, end}.
    .section .data.rel.ro, "aw"
    .global muster_snippets
muster_snippets:
    .section .rodata
.macro SNIPPET name
    .balign 16
\name:
.endm
.macro END name
\name\()_end:
\name\()_name:
    .asciz "\name"
    .pushsection .data.rel.ro, "aw"
    .quad \name\()_name, \name, \name\()_end
    .popsection
.endm

.macro WRITE_MSR msr, low, high=0
    movl $\msr, %ecx
    movl $\low, %eax
    movl $\high, %edx
    wrmsr
.endm
#define ID 0x802
#define SVR 0x80f
#define EOI 0x80b
#define TPR 0x808
#define ICR 0x830
#define LVT_TIMER 0x832
#define LVT_LINT0 0x835
#define INITIAL_COUNT 0x838
#define DIVIDE 0x83e
#define SELF_IPI 0x83f
#define TSC_DEADLINE 0x6e0
.macro ENABLE_APIC
    WRITE_MSR SVR, 0x1ff
.endm
.macro SEND low, high=0
    WRITE_MSR ICR, \low, \high
.endm
// Other CPUs are started as most kernels do it, with SIPI vector 8.
.macro START cpu
    SEND 0x4500, \cpu
    SEND 0x4608, \cpu
.endm
.macro SAY port, value
    movb $\value, %al
    outb %al, $\port
.endm
.macro STOP
9:  cli
    hlt
    jmp 9b
.endm

// ---- ports ----

SNIPPET port_echo
    inb $0x11, %al
    outb %al, $0x10
    inw $0x11, %ax
    outw %ax, $0x10
    inl $0x11, %eax
    outl %eax, $0x10
    STOP
END port_echo

// ---- INIT and SIPI ----

SNIPPET ap_says_hello
    ENABLE_APIC
    SAY 0x20, 1
    STOP
END ap_says_hello

SNIPPET start_one
    START 1
    SAY 0x10, 1
    STOP
END start_one

SNIPPET start_all_at_once
    SEND 0xc4500
    SEND 0xc4608
    SAY 0x10, 1
    STOP
END start_all_at_once

SNIPPET start_300
    START 300
    STOP
END start_300

SNIPPET sipi_to_running
    sti
    START 1
1:  cmpb $0, 0x500
    je 1b
    SEND 0x4608, 1
    SEND 0x4608, 1
    movb $1, 0x501
    SAY 0x10, 1
    STOP
END sipi_to_running

SNIPPET ap_waits_for_word
    sti
    movb $1, 0x500
    SAY 0x20, 1
1:  cmpb $0, 0x501
    je 1b
    SAY 0x20, 2
    STOP
END ap_waits_for_word

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

// CPU n rewrites the entry of pin n % 16 until 0x654 is set, under a lock, since the register is
// selected and written by two stores. The CPU that 0x648 names halts instead. 16-bit protected mode
// with flat data; the GDT's pointer is at 0x6f0. Its TPR keeps out what the entries send.
SNIPPET route_rewriter
    ENABLE_APIC
    WRITE_MSR TPR, 0xff
    movl $0x802, %ecx
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

// ---- HLT, kicks ----

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

// ---- injection ----

// A self-IPI with interrupts off is taken at the instruction after the shadow of STI, not before.
SNIPPET sti_shadow
    xorl %ebx, %ebx
    WRITE_MSR SELF_IPI, 0x40
    sti
    incl %ebx
    incl %ebx
    incl %ebx
    STOP
END sti_shadow
SNIPPET handler_says_bx
    movb %bl, %al
    outb %al, $0x30
    WRITE_MSR EOI, 0
    iretw
END handler_says_bx

// Windows of one instruction, and an interrupt that waits for them from the start.
SNIPPET narrow_windows
    xorl %ebx, %ebx
    WRITE_MSR SELF_IPI, 0x40
    movw $60, %si
1:  incl %ebx
    sti
    nop
    cli
    decw %si
    jnz 1b
    SAY 0x10, 1
    STOP
END narrow_windows

// The same without an end and without an exit, the interrupt coming from elsewhere.
SNIPPET narrow_windows_for_ever
    SAY 0x10, 1
1:  movw $300, %si
2:  decw %si
    jnz 2b
    sti
    nop
    cli
    jmp 1b
END narrow_windows_for_ever

// ---- the guest debugs itself while an interrupt waits with IF = 0 ----

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

SNIPPET two_vectors_by_priority
    WRITE_MSR SELF_IPI, 0x41
    WRITE_MSR SELF_IPI, 0x52
    sti
    nop
    nop
    STOP
END two_vectors_by_priority
SNIPPET handler_41
    SAY 0x30, 0x41
    WRITE_MSR EOI, 0
    iretw
END handler_41
SNIPPET handler_52
    SAY 0x30, 0x52
    WRITE_MSR EOI, 0
    iretw
END handler_52

SNIPPET masked_by_tpr
    WRITE_MSR TPR, 0x50
    WRITE_MSR SELF_IPI, 0x41
    sti
    nop
    nop
    SAY 0x30, 1
    WRITE_MSR TPR, 0x30
    nop
    SAY 0x30, 2
    STOP
END masked_by_tpr

// Long mode, an IDT at 0x14000 whose pseudo-descriptor is at 0x520. CR8 masks the vector, and then
// no longer does, with no exit of the guest's own making.
SNIPPET lower_cr8
    .code64
    lidt 0x520
    movl $5, %eax
    movq %rax, %cr8
    WRITE_MSR SELF_IPI, 0x41
    sti
    nop
    nop
    SAY 0x30, 1
    movl $3, %eax
    movq %rax, %cr8
    movl $200000, %ecx
1:  cmpb $0, 0x500
    jne 2f
    decl %ecx
    jnz 1b
2:  movq %cr8, %rax
    outb %al, $0x31
    SAY 0x30, 2
    STOP
    .code16
END lower_cr8
SNIPPET handler_long
    .code64
    pushq %rax
    pushq %rcx
    pushq %rdx
    incb 0x500
    SAY 0x30, 0x41
    WRITE_MSR EOI, 0
    popq %rdx
    popq %rcx
    popq %rax
    iretq
    .code16
END handler_long

// ---- timer ----

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

// ---- I/O APIC ----

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

// ---- pause ----

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
2:  cmpb $0, 0x520
    je 2b
    movb $0, 0x520
    jmp 1b
END ap_tsc_on_demand

// ---- ends ----

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

// ---- lives that end in the middle of an access ----

// In xAPIC mode with the page at 0x100000: software-enables the APIC by a read-modify-write, again
// and again. DS is real mode's highest.
SNIPPET ap_exchanges_svr
    WRITE_MSR 0x1b, 0x00100000
    WRITE_MSR 0x1b, 0x00100800
    xorw %ax, %ax
    movw %ax, %ds
    movb $1, 0x500
    movw $0xffff, %ax
    movw %ax, %ds
1:  movl $0x1ff, %eax
    xchgl %eax, 0x100
    jmp 1b
END ap_exchanges_svr

// Starts CPU 1, waits until it runs and a little longer, sends INIT; IN 0x11 waits for the host.
SNIPPET init_again_and_again
    sti
1:  movb $0, 0x500
    START 1
2:  cmpb $0, 0x500
    je 2b
    inb $0x12, %al
    inb $0x12, %al
    SEND 0x4500, 1
    SAY 0x10, 1
    inl $0x41, %eax
    jmp 1b
END init_again_and_again

SNIPPET says_for_ever
    movb $1, 0x500
1:  SAY 0x20, 1
    jmp 1b
END says_for_ever

// Says what KVM's clock and IA32_TSC_ADJUST are, by their low halves, and changes them.
SNIPPET ap_says_msrs
    movl $0x4b564d01, %ecx
    rdmsr
    outl %eax, $0x20
    movl $0x7001, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x3b, %ecx
    rdmsr
    outl %eax, $0x20
    movl $0x100000, %eax
    xorl %edx, %edx
    wrmsr
1:  rdmsr
    outl %eax, $0x20
    jmp 1b
END ap_says_msrs

// CPU 1 disables its APIC in hardware; CPU 0 sends NMI to all but itself.
SNIPPET disables_apic
    sti
    WRITE_MSR 0x1b, 0
    movb $1, 0x500
1:  cmpb $0, 0x501
    je 1b
    SAY 0x20, 1
    STOP
END disables_apic
SNIPPET nmi_to_others
    sti
    START 1
1:  cmpb $0, 0x500
    je 1b
    SEND 0xc4400
    movb $1, 0x501
    STOP
END nmi_to_others

SNIPPET apic_over_ram
    WRITE_MSR 0x1b, 0x00000100
    WRITE_MSR 0x1b, 0x00080900
    SAY 0x10, 1
    STOP
END apic_over_ram

// ---- ExtINT ----

SNIPPET extint_handler_40
    SAY 0x30, 0x40
    iretw
END extint_handler_40
SNIPPET extint_handler_41
    SAY 0x30, 0x41
    iretw
END extint_handler_41

SNIPPET extint_above_priority
    WRITE_MSR TPR, 0xff
    sti
    SAY 0x10, 1
1:  jmp 1b
END extint_above_priority

SNIPPET extint_in_hlt
    sti
    SAY 0x10, 1
1:  hlt
    jmp 1b
END extint_in_hlt

// Interrupts stay off until the host lets the IN give something.
SNIPPET extint_interrupts_off
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    sti
    nop
    nop
    SAY 0x10, 2
1:  hlt
    jmp 1b
END extint_interrupts_off

// LINT0 is masked and, when the host says so, not any more.
SNIPPET extint_unmasks
    WRITE_MSR LVT_LINT0, 0x10700
    sti
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    WRITE_MSR LVT_LINT0, 0x700
1:  hlt
    jmp 1b
END extint_unmasks

SNIPPET extint_masks_and_unmasks
    sti
    SAY 0x10, 1
1:  WRITE_MSR LVT_LINT0, 0x10700
    WRITE_MSR LVT_LINT0, 0x700
    jmp 1b
END extint_masks_and_unmasks
SNIPPET extint_quiet_handler
    lock incl 0x600
    iretw
END extint_quiet_handler

SNIPPET lint0_fixed
    WRITE_MSR LVT_LINT0, 0x41
    sti
    SAY 0x10, 1
1:  hlt
    jmp 1b
END lint0_fixed

// LINT0 is a fixed interrupt and, when the host says so, an ExtINT, by one write.
SNIPPET lint0_fixed_then_extint
    WRITE_MSR LVT_LINT0, 0x41
    SAY 0x10, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    WRITE_MSR TPR, 0xff
    WRITE_MSR LVT_LINT0, 0x700
    sti
1:  hlt
    jmp 1b
END lint0_fixed_then_extint

SNIPPET extint_apic_off
    sti
    WRITE_MSR 0x1b, 0
    SAY 0x10, 1
1:  hlt
    jmp 1b
END extint_apic_off

// An AP that leaves its APIC software-disabled.
SNIPPET ap_stays_disabled
    sti
    SAY 0x20, 1
1:  hlt
    jmp 1b
END ap_stays_disabled

// An AP with interrupts off until the host lets the IN give something.
SNIPPET ap_interrupts_off
    ENABLE_APIC
    SAY 0x20, 1
1:  inb $0x50, %al
    testb %al, %al
    jz 1b
    sti
    nop
    SAY 0x20, 2
1:  hlt
    jmp 1b
END ap_interrupts_off

    .section .data.rel.ro, "aw"
    .global muster_snippets_end
muster_snippets_end:
    .section .note.GNU-stack, "", @progbits
