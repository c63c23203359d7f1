// The calls that the scenarios of smp_rendezvous_cpus() have in common.
#pragma once

#include "scenarios/freebsd/smp_rendezvous.h"

enum { kLive = 0x600d, kPoison = 0xdead };

static atomic_uint actions;

static inline void CountAction(void* argument) { atomic_fetch_add((atomic_uint*)argument, 1); }

static inline void CallAll(void) { smp_rendezvous_cpus(7, 3, NULL, CountAction, NULL, &actions); }

// On CPU 1, which calls as soon as it is back from CPU 0's call.
static inline void CallNext(void* argument) {
  (void)argument;
  SpinUntil(&smp_rv_served[1], 1);
  CallAll();
}

// CPU 0 calls all three, then CPU 1 does.
static inline void CallTwice(void) {
  Post(1, CallNext, NULL);
  CallAll();
  Join(1);
  CHECK_EQUAL(atomic_load(&actions), 6);
}

static volatile uint32_t teardown_saw[3];

static inline void LookAtArgument(void* argument) {
  teardown_saw[CpuNumber()] = *(volatile uint32_t*)argument;
}

// CPU 0 calls all three with an argument that is its own again when the call returns.
static inline void CallAndPoison(void) {
  volatile uint32_t argument = kLive;
  smp_rendezvous_cpus(7, 3, NULL, NULL, LookAtArgument, (void*)&argument);
  argument = kPoison;
  GATE("poisoned");
  SpinUntil(&smp_rv_served[1], 1);
  SpinUntil(&smp_rv_served[2], 1);
}
