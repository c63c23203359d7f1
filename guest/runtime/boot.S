// From a Multiboot loader, or from the trampoline, to 64-bit C code.
#include "runtime/layout.h"

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0x3  // modules on page boundaries; memory sizes wanted

#define CR0 0x80010031  // PG, WP, NE, ET, PE; caches on
#define CR4 0x20        // PAE
#define MSR_EFER 0xC0000080
#define EFER_LME 0x100
#define MSR_APIC_BASE 0x1B
#define APIC_BASE_EXTD 0x400
#define MSR_X2APIC_ID 0x802
#define XAPIC_ID 0xFEE00020

  .section .multiboot, "a"
  .balign 4
  .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

  .text
  .code32
// EAX and EBX are the loader's; neither its descriptor table nor its stack is to be relied on.
  .globl _start
_start:
  cli
  cld
  mov %eax, %edi
  mov %ebx, %esi
  lgdt gdt_pointer
  ljmp $CODE32, $EnterLongMode

// A CPU that SIPI started; EDI = 0 tells it from the boot CPU.
  .globl ApStart32
ApStart32:
  xor %edi, %edi
EnterLongMode:
  mov $CR4, %eax
  mov %eax, %cr4
  mov $pml4, %eax
  mov %eax, %cr3
  mov $MSR_EFER, %ecx
  rdmsr
  or $EFER_LME, %eax
  wrmsr
  mov $CR0, %eax
  mov %eax, %cr0
  ljmp $CODE64, $Start64

  .code64
Start64:
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
  // The APIC id selects the stack. INIT keeps the APIC's mode, so ask which one it is.
  mov $MSR_APIC_BASE, %ecx
  rdmsr
  test $APIC_BASE_EXTD, %eax
  jz 1f
  mov $MSR_X2APIC_ID, %ecx
  rdmsr
  jmp 2f
1:
  mov $XAPIC_ID, %ecx
  mov (%rcx), %eax
  shr $24, %eax
2:
  cmp $MAX_CPUS, %eax
  jae HaltForever
  mov %eax, %edx
  mov $first_stack + STACK_SIZE, %esp
  test %eax, %eax
  jz 3f
  imul $STACK_SIZE, %eax, %eax
  lea STACKS(%rax), %rsp
3:
  xor %ebp, %ebp
  call RuntimeMain  // (magic, information, APIC id)

  .globl HaltForever
HaltForever:
  cli
  hlt
  jmp HaltForever

// The boot CPU's is in the image, so that it can say that there is no memory for the others'.
  .bss
  .balign 4096
first_stack:
  .skip STACK_SIZE

  .section .rodata
  .balign 8
  .globl gdt
gdt:
  .quad 0
  .quad 0x00CF9B000000FFFF  // CODE32
  .quad 0x00CF93000000FFFF  // DATA
  .quad 0x00AF9B000000FFFF  // CODE64
  .globl gdt_pointer
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

// The low 4 GiB mapped to themselves in 2 MiB pages; filled in here rather than at run time, where
// 2,048 stores would be most of the start-up on a KVM that emulates instructions. The last GiB,
// where the APICs are, is not cached.
#define PRESENT_WRITE 0x3
#define LARGE_PAGE 0x83
#define UNCACHED 0x18

  .section .page_tables, "aw"
  .balign 4096
pml4:
  .quad pdpt + PRESENT_WRITE
  .fill 511, 8, 0
pdpt:
  .quad page_directories + PRESENT_WRITE
  .quad page_directories + 0x1000 + PRESENT_WRITE
  .quad page_directories + 0x2000 + PRESENT_WRITE
  .quad page_directories + 0x3000 + PRESENT_WRITE
  .fill 508, 8, 0
page_directories:
  .set page, 0
  .rept 3 * 512
  .quad (page << 21) + LARGE_PAGE
  .set page, page + 1
  .endr
  .rept 512
  .quad (page << 21) + LARGE_PAGE + UNCACHED
  .set page, page + 1
  .endr

  .section .note.GNU-stack, "", @progbits
