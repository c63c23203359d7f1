/* The APIC at another address. */
#include "foreign.h"

#define ELSEWHERE 0xfe000000ul

static volatile uint32_t* apic = XAPIC;
static volatile int irqs;

void irq(void) {
  irqs++;
  apic[0xb0 / 4] = 0;
}

static int self_ipi(void) {
  int before = irqs;
  apic[0x300 / 4] = 0x44041;
  asm volatile("sti");
  for (volatile int i = 0; i < 1000000 && irqs == before; i++) asm volatile("pause");
  asm volatile("cli");
  return irqs == before + 1;
}

void main(void) {
  set_gate(0x41, irq_entry);
  load_idt();
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
  uint64_t base = rdmsr(0x1b);
  apic[0xf0 / 4] = 0x1ff;
  uint32_t version = apic[0x30 / 4];
  report("self-ipi at fee00000", self_ipi());

  wrmsr(0x1b, ELSEWHERE | (base & 0xfff));
  apic = (volatile uint32_t*)ELSEWHERE;
  report("the base reads back", rdmsr(0x1b) == (ELSEWHERE | (base & 0xfff)));
  report("version and svr are there", apic[0x30 / 4] == version && apic[0xf0 / 4] == 0x1ff);
  report("nothing is left at fee00000", XAPIC[0x30 / 4] == 0xffffffff);
  XAPIC[0xf0 / 4] = 0xff;
  report("a write to fee00000 does nothing", apic[0xf0 / 4] == 0x1ff);
  report("self-ipi at fe000000", self_ipi());

  wrmsr(0x1b, base);
  apic = XAPIC;
  report("version and svr are back", apic[0x30 / 4] == version && apic[0xf0 / 4] == 0x1ff);
  report("self-ipi at fee00000 again", self_ipi());
  finish();
}
