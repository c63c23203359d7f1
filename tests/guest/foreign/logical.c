/* Logical destinations of four CPUs. The APs wait in narrow interrupt windows, then in HLT. */
#include "foreign.h"

#define CPUS 4

static volatile int hits[256], online = 1, model;

void irq(void) {
  __atomic_fetch_add(&hits[XAPIC[0x20 / 4] >> 24], 1, __ATOMIC_SEQ_CST);
  XAPIC[0xb0 / 4] = 0;
}

static void set_logical(int cluster) {
  int id = XAPIC[0x20 / 4] >> 24;
  XAPIC[0xe0 / 4] = cluster ? 0x0fffffff : 0xffffffff;
  /* two CPUs to a cluster: 01 02 11 12 */
  XAPIC[0xd0 / 4] = (cluster ? id / 2 << 4 | 1 << id % 2 : 1 << id) << 24;
}

void ap_main(void) {
  load_idt();
  XAPIC[0xf0 / 4] = 0x1ff;
  set_logical(0);
  __atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
  while (model == 0) asm volatile("sti; nop; pause; cli");
  set_logical(1);
  __atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
  for (;;) asm volatile("sti; hlt");
}

static int total(void) {
  int n = 0;
  for (int i = 0; i < CPUS; i++) n += hits[i];
  return n;
}

/* any: one of the CPUs in the set, whichever */
static int sent(uint32_t icr, uint32_t destination, int set, int any) {
  int due = 0, before = total();
  int was[CPUS];
  for (int i = 0; i < CPUS; i++) {
    due += set >> i & 1;
    was[i] = hits[i];
  }
  if (any) due = 1;
  XAPIC[0x310 / 4] = destination << 24;
  XAPIC[0x300 / 4] = icr | 0x4841;
  asm volatile("sti");
  for (volatile int i = 0; i < 1000000 && total() - before < due; i++) asm volatile("pause");
  for (volatile int i = 0; i < 200; i++)
    ;
  asm volatile("cli");
  for (int i = 0; i < CPUS; i++) {
    int n = hits[i] - was[i], in_set = set >> i & 1;
    if (n > in_set || (!any && n != in_set)) return 0;
  }
  return total() - before == due;
}

void main(void) {
  if (cpus() != CPUS) {
    report("this wants 4 cpus", 0);
    finish();
  }
  set_gate(0x41, irq_entry);
  load_idt();
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
  XAPIC[0xf0 / 4] = 0x1ff;
  set_logical(0);
  XAPIC[0x300 / 4] = 0xc4500;
  XAPIC[0x300 / 4] = 0xc4600;
  while (online != CPUS) asm volatile("pause");

  report("flat: each",
         sent(0, 1, 1, 0) && sent(0, 2, 2, 0) && sent(0, 4, 4, 0) && sent(0, 8, 8, 0));
  report("flat: two", sent(0, 6, 6, 0) && sent(0, 9, 9, 0));
  report("flat: everybody", sent(0, 0xf, 0xf, 0) && sent(0, 0xff, 0xf, 0));
  report("flat: nobody", sent(0, 0x30, 0, 0));
  report("flat: one of several", sent(0x100, 6, 6, 1) && sent(0x100, 0xf, 0xf, 1));

  model = 1;
  set_logical(1);
  while (online != 2 * CPUS - 1) asm volatile("pause");
  report("cluster: each",
         sent(0, 0x01, 1, 0) && sent(0, 0x02, 2, 0) && sent(0, 0x11, 4, 0) && sent(0, 0x12, 8, 0));
  report("cluster: two of one", sent(0, 0x03, 3, 0) && sent(0, 0x13, 0xc, 0));
  report("cluster: everybody", sent(0, 0xff, 0xf, 0));
  report("cluster: nobody", sent(0, 0x23, 0, 0) && sent(0, 0x1c, 0, 0));
  report("cluster: one of several", sent(0x100, 0x13, 0xc, 1));
  finish();
}
