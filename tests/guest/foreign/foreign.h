/* What the C images have in common. */
#include <stdint.h>

#define XAPIC ((volatile uint32_t*)0xfee00000ul)

static inline void outb(uint16_t port, uint8_t v) {
  asm volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t v) {
  asm volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t v) {
  asm volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port) {
  uint8_t v;
  asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}

static inline uint64_t rdmsr(uint32_t msr) {
  uint32_t a, d;
  asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(msr) : "memory");
  return (uint64_t)d << 32 | a;
}

static inline void wrmsr(uint32_t msr, uint64_t v) {
  asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void puts(const char* s) {
  for (; *s; s++) {
    while (!(inb(0x3fd) & 0x20))
      ;
    outb(0x3f8, *s);
  }
}

static int failed;

static inline void report(const char* what, int ok) {
  puts(ok ? "ok: " : "FAILED: ");
  puts(what);
  puts("\n");
  failed |= !ok;
}

static inline void finish(void) {
  outl(0xf4, failed);
  for (;;) asm volatile("hlt");
}

static inline int cpus(void) {
  outw(0x510, 5);
  int n = inb(0x511);
  return n | inb(0x511) << 8;
}

struct gate {
  uint16_t low, selector;
  uint8_t ist, type;
  uint16_t middle;
  uint32_t high, zero;
};
static struct gate idt[256];

static inline void set_gate(int vector, void (*entry)(void)) {
  uint64_t a = (uint64_t)entry;
  idt[vector] = (struct gate){a, 0x18, 0, 0x8e, a >> 16, a >> 32, 0};
}

static inline void load_idt(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) p = {sizeof idt - 1, (uint64_t)idt};
  asm volatile("lidt %0" ::"m"(p));
}

extern void irq_entry(void), gp_entry(void);
