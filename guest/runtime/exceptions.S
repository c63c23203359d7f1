// Entries for the 32 exceptions. A guest that wants one gives it its own handler (irq.h); these end
// the run with a report.
  .text

  .altmacro
  .macro entry vector
exception\vector:
  // These push an error code themselves: SDM, "Error Code" and the table of exceptions.
  .if !((\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30))
  push $0
  .endif
  push $\vector
  jmp Common
  .endm

  .set vector, 0
  .rept 32
  entry %vector
  .set vector, vector + 1
  .endr

Common:
  cld
  mov %rsp, %rdi
  and $-16, %rsp
  call UnexpectedException  // (vector, error code, the frame the CPU pushed); does not return

  .macro pointer vector
  .quad exception\vector
  .endm

  .section .rodata
  .balign 8
  .globl exception_entries
exception_entries:
  .set vector, 0
  .rept 32
  pointer %vector
  .set vector, vector + 1
  .endr

  .section .note.GNU-stack, "", @progbits
