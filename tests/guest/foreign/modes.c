/* One CPU through all the modes of its APIC. */
#include "foreign.h"

static volatile int irqs, gps, x2;

void irq(void) {
  irqs++;
  if (x2)
    wrmsr(0x80b, 0);
  else
    XAPIC[0xb0 / 4] = 0;
}

void gp(void) { gps++; }

static int faults(uint32_t msr, int write, uint64_t v) {
  int before = gps;
  if (write)
    wrmsr(msr, v);
  else
    rdmsr(msr);
  return gps != before;
}

static int apic_in_cpuid(void) {
  uint32_t a = 1, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d >> 9 & 1;
}

static void irqs_on_for_a_while(void) {
  asm volatile("sti");
  for (volatile int i = 0; i < 20; i++)
    ;
  asm volatile("cli");
}

static int wait_irqs(int n) {
  asm volatile("sti");
  for (volatile int i = 0; i < 1000000 && irqs < n; i++) asm volatile("pause");
  asm volatile("cli");
  return irqs == n;
}

void main(void) {
  set_gate(0x41, irq_entry);
  set_gate(0x81, irq_entry);
  set_gate(13, gp_entry);
  load_idt();
  uint64_t base = rdmsr(0x1b);
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
  XAPIC[0xf0 / 4] = 0x1ff;
  report("bsp, enabled, xapic", (base & 0xd00) == 0x900);

  XAPIC[0x300 / 4] = 0x44041;
  report("xapic: self-ipi by shorthand", wait_irqs(1));
  XAPIC[0x310 / 4] = 0;
  XAPIC[0x300 / 4] = 0x4041;
  report("xapic: self-ipi by id", wait_irqs(2));

  XAPIC[0x80 / 4] = 0x40;
  XAPIC[0x300 / 4] = 0x44041;
  irqs_on_for_a_while();
  report("tpr 40 holds vector 41", irqs == 2);
  XAPIC[0x300 / 4] = 0x44081;
  report("tpr 40 lets vector 81 through", wait_irqs(3));
  asm volatile("mov %0, %%cr8" ::"r"(0ul));
  report("cr8 0 releases vector 41", wait_irqs(4));
  report("cr8 and tpr are one", XAPIC[0x80 / 4] == 0);

  report("#GP: x2apic register in xapic mode", faults(0x802, 0, 0));
  XAPIC[0x80 / 4] = 0x30;
  wrmsr(0x1b, base | 0xc00);
  x2 = 1;
  report("x2apic: on", (rdmsr(0x1b) & 0xc00) == 0xc00);
  report("x2apic: id 0, logical id 1", rdmsr(0x802) == 0 && rdmsr(0x80d) == 1);
  report("x2apic: svr and tpr were kept", rdmsr(0x80f) == 0x1ff && rdmsr(0x808) == 0x30);
  wrmsr(0x808, 0);
  wrmsr(0x83f, 0x41);
  report("x2apic: self-ipi by register", wait_irqs(5));
  wrmsr(0x830, 0x44041);
  report("x2apic: self-ipi by shorthand", wait_irqs(6));
  wrmsr(0x830, 0x4041);
  report("x2apic: self-ipi by id", wait_irqs(7));
  wrmsr(0x830, 1ull << 32 | 0x4841);
  report("x2apic: self-ipi by logical id", wait_irqs(8));
  report("#GP: dfr in x2apic mode", faults(0x80e, 0, 0));
  report("#GP: icr high in x2apic mode", faults(0x831, 0, 0));
  report("#GP: eoi of a value", faults(0x80b, 1, 1));
  report("#GP: tpr past 8 bits", faults(0x808, 1, 0x100));
  report("#GP: from x2apic straight to xapic", faults(0x1b, 1, base));

  wrmsr(0x1b, base & ~0xc00ull);
  x2 = 0;
  report("disabled: cpuid has no apic", !apic_in_cpuid());
  report("#GP: from disabled straight to x2apic", faults(0x1b, 1, base | 0xc00));
  wrmsr(0x1b, base);
  report("xapic: cpuid has an apic again", apic_in_cpuid());
  report("xapic: svr is as after reset", XAPIC[0xf0 / 4] == 0xff);
  XAPIC[0xf0 / 4] = 0x1ff;
  XAPIC[0x300 / 4] = 0x44041;
  report("xapic: self-ipi once more", wait_irqs(9));
  finish();
}
