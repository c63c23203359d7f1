// What a CPU executes first after SIPI: real mode, CS = TRAMPOLINE >> 4, IP = 0. cpu.c copies it to
// TRAMPOLINE. It touches no memory but its own page, so any number of CPUs can be in it at once.
#include "runtime/layout.h"

  .text
  .code16
  .globl trampoline, trampoline_end
trampoline:
  cli
  mov %cs, %ax
  mov %ax, %ds
  lgdtl pointer - trampoline
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $CODE32, $(TRAMPOLINE + 1f - trampoline)
  .code32
1:
  mov $DATA, %eax
  mov %eax, %ds
  mov $ApStart32, %eax
  jmp *%eax

  .balign 4
pointer:
  .word 4 * 8 - 1
  .long gdt
trampoline_end:

  .section .note.GNU-stack, "", @progbits
