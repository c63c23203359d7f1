# Long mode for the C images; trampoline at page 0; 4 KiB of stack per cpu, by APIC id.
        .section .boot, "ax"
        .code32
        .align  4
        .long   0x1badb002, 0, -0x1badb002

        .globl  start
start:  cli
        cld
        mov     $sipi_entry, %esi
        xor     %edi, %edi
        mov     $sipi_end - sipi_entry, %ecx
        rep movsb

        # 1 GiB of RAM and the last GiB, in pages of 2 MiB
        mov     $0x83, %eax
        mov     $low, %edi
        mov     $512, %ecx
1:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b
        mov     $0xc0000093, %eax
        mov     $high, %edi
        mov     $512, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b
        movl    $pdpt + 3, pml4
        movl    $low + 3, pdpt
        movl    $high + 3, pdpt + 24

        lgdtl   gdtr
        ljmp    $8, $protected

protected:
        mov     $0x10, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     %cr4, %eax
        or      $0x20, %eax
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        bts     $8, %eax
        wrmsr
        mov     $0x80000011, %eax
        mov     %eax, %cr0
        ljmp    $0x18, $long_mode

        .code64
long_mode:
        mov     $0xfee00020, %eax
        mov     (%rax), %edi
        shr     $24, %edi
        mov     %edi, %eax
        inc     %eax
        shl     $12, %eax
        lea     stacks(%rax), %rsp
        test    %edi, %edi
        jnz     3f
        call    main
3:      call    ap_main
4:      cli
        hlt
        jmp     4b

# Interrupt entries: C functions that keep no register are called from here.
        .macro  entry name, function
        .globl  \name
\name:  push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        cld
        call    \function
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        .endm

        entry   irq_entry, irq
        iretq

# #GP at RDMSR or WRMSR, which are two bytes long: skipped.
        entry   gp_entry, gp
        addq    $2, 8(%rsp)
        add     $8, %rsp
        iretq

        .weak   irq, gp, ap_main
irq:
gp:
ap_main:
        ud2

        .code16
sipi_entry:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   gdtr2 - sipi_entry
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $8, $protected
gdtr2:  .word   31
        .long   gdt
sipi_end:

        .data
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
gdtr:   .word   31
        .long   gdt

        .bss
        .align  4096
pml4:   .skip   4096
pdpt:   .skip   4096
low:    .skip   4096
high:   .skip   4096
stacks: .skip   256 * 4096
        .section .note.GNU-stack, "", @progbits
