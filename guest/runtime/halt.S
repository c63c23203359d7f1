// Sleeping. Not inline, since an NMI handler has to know the address of HLT.
  .text

// Returns at the next interrupt. STI holds interrupts off for one instruction, so one that is
// pending ends the HLT rather than slip in before it.
  .globl EnableInterruptsAndHalt
EnableInterruptsAndHalt:
  sti
  .globl halt_instruction
halt_instruction:
  hlt
  ret

  .section .note.GNU-stack, "", @progbits
