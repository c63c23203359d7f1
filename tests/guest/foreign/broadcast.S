# 32-bit, no paging, no interrupts. Starts everybody at page 0, without a pause anywhere.
        .section .boot, "ax"
        .code32
        .align  4
        .long   0x1badb002, 0, -0x1badb002

        .globl  start
start:  cli
        cld
        mov     $stack_top, %esp

        mov     $sipi_entry, %esi
        xor     %edi, %edi
        mov     $sipi_end - sipi_entry, %ecx
        rep movsb

        mov     $0x510, %dx             # fw_cfg: number of cpus
        mov     $5, %ax
        out     %ax, %dx
        inc     %dx
        in      %dx, %al
        movzbl  %al, %ebx
        in      %dx, %al
        mov     %al, %bh

        movb    $1, present
        movl    $0x1ff, 0xfee000f0
        movl    $0x000c4500, 0xfee00300 # INIT, all but self
        movl    $0x000c4600, 0xfee00300 # SIPI, vector 0

1:      pause
        cmp     %ebx, online
        jb      1b
        cmp     %ebx, online
        mov     $too_many, %esi
        ja      fail

        xor     %ebp, %ebp
2:      cmpb    $1, present(%ebp)
        mov     $not_once, %esi
        jne     fail
        mov     $cpu_text, %esi
        call    puts
        mov     %ebp, %eax
        call    putn
        mov     $newline, %esi
        call    puts
        inc     %ebp
        cmp     %ebx, %ebp
        jb      2b
        xor     %eax, %eax
        jmp     exit

fail:   call    puts
        mov     $1, %eax
exit:   mov     $0xf4, %dx
        out     %eax, %dx
3:      hlt
        jmp     3b

puts:   lodsb
        test    %al, %al
        jz      5f
        mov     %al, %ah
4:      mov     $0x3fd, %dx
        in      %dx, %al
        test    $0x20, %al
        jz      4b
        mov     %ah, %al
        mov     $0x3f8, %dx
        out     %al, %dx
        jmp     puts
5:      ret

putn:   mov     $digits_end, %esi
        mov     $10, %ecx
6:      xor     %edx, %edx
        div     %ecx
        add     $'0', %dl
        dec     %esi
        mov     %dl, (%esi)
        test    %eax, %eax
        jnz     6b
        jmp     puts

ap:     mov     $0x10, %ax
        mov     %ax, %ds
        mov     0xfee00020, %eax
        shr     $24, %eax
        lock incb present(%eax)
        lock incl online
7:      hlt
        jmp     7b

        .code16
sipi_entry:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   gdtr - sipi_entry
        mov     $1, %ax
        lmsw    %ax
        ljmpl   $8, $ap
gdtr:   .word   23
        .long   gdt
sipi_end:

        .data
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
online: .long   1
cpu_text:
        .asciz  "cpu "
newline:
        .asciz  "\n"
too_many:
        .asciz  "more cpus came than there are\n"
not_once:
        .asciz  "a cpu did not come exactly once\n"
digits: .ascii  "0000000000"
digits_end:
        .byte   0

        .bss
present:
        .skip   256
        .skip   4096
stack_top:
        .section .note.GNU-stack, "", @progbits
