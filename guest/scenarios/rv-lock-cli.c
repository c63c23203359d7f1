// Two protocols that both wait for other CPUs with interrupts off: smp_rendezvous_cpus() of
// sys/kern/subr_smp.c and the TLB shootdown of sys/amd64/amd64/mp_machdep.c, smp_tlb_shootdown().
// FreeBSD has one lock for both, smp_ipi_mtx, because two would be this:
//
//   CPU 0 (rendezvous)                       CPU 1 (TLB shootdown)
//   locks smp_ipi_mtx, interrupts off        interrupts off, locks smp_tlb_mtx
//   interrupts 1, waits for it to begin      interrupts 0, waits for it to answer
//
// With one lock the second comer spins for it with interrupts on, and serves the first. With two,
// whoever waits has to look for what it is wanted for itself.
#include "scenarios/freebsd/calls.h"

enum { kIpiInvltlb = 0xE2 };

static atomic_uint smp_tlb_mtx;
static atomic_uint smp_tlb_acks;
static bool one_lock, serves_while_it_waits;

INTERRUPT_HANDLER(OnInvltlb) {
  atomic_fetch_add(&smp_tlb_acks, 1);
  EndOfInterrupt();
}

static bool Answered(void) {
  if (serves_while_it_waits) ServeRendezvous();
  return atomic_load(&smp_tlb_acks) == 1;
}

// CPU 0 is to flush its TLB.
static void smp_tlb_shootdown(void* unused) {
  (void)unused;
  atomic_uint* mutex = one_lock ? &smp_ipi_mtx : &smp_tlb_mtx;
  const uint64_t flags = mtx_lock_spin(mutex);
  SendFixed(0, kIpiInvltlb);
  GATE("tlb-sent");
  SPIN_UNTIL(Answered(), &smp_tlb_acks, kWaitEqual, 1);
  mtx_unlock_spin(mutex, flags);
}

void GuestMain(void) {
  one_lock = CommandLineHas("variant=one-lock");
  serves_while_it_waits = CommandLineHas("variant=service");
  StartAllCpus();
  UseRendezvous("variant=waiters3");
  SetHandler(kIpiInvltlb, OnInvltlb);
  Post(1, smp_tlb_shootdown, NULL);
  smp_rendezvous_cpus(3, 2, NULL, CountAction, NULL, &actions);
  Join(1);
  CHECK_EQUAL(atomic_load(&actions), 2);
}
