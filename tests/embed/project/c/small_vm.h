/* A VM of the C interface with a little RAM and a snippet of code, for tests that need no image. */
#pragma once

#include <muster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

/* `call` ends with &error. */
#define DONE(call)                                                       \
  do {                                                                   \
    muster_error error;                                                  \
    if ((call) != MUSTER_OK) {                                           \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, error.message); \
      _Exit(1);                                                          \
    }                                                                    \
  } while (0)

enum { kRam = 65536, kCode = 0x1000 };

/* RAM with `code` at kCode. */
static inline uint8_t* SmallRam(const void* code, size_t bytes) {
  void* const ram = mmap(NULL, kRam, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(ram != MAP_FAILED);
  memcpy((uint8_t*)ram + kCode, code, bytes);
  return (uint8_t*)ram;
}

static inline uint64_t NoTime(void* context) {
  (void)context;
  return 0;
}
static inline void NoTimer(void* context, int32_t cpu, uint64_t deadline_ns) {
  (void)context;
  (void)cpu;
  (void)deadline_ns;
}

/* One vCPU, and a clock that stands. */
static inline muster_config SmallConfig(void) {
  muster_config config;
  muster_config_init(&config);
  config.clock.now_ns = NoTime;
  config.clock.arm = NoTimer;
  return config;
}

/* `mode` is of muster_start. Without a usable KVM the test is skipped. */
static inline muster_vm* SmallVm(const muster_config* config, uint8_t* ram, uint32_t mode) {
  muster_vm* vm = NULL;
  muster_error error;
  const int32_t made = muster_vm_create(config, &vm, &error);
  if (made == MUSTER_NOT_FOUND || made == MUSTER_PERMISSION_DENIED) {
    fprintf(stderr, "skipped: %s\n", error.message);
    exit(77);
  }
  if (made != MUSTER_OK) fprintf(stderr, "%s\n", error.message);
  CHECK(made == MUSTER_OK);
  DONE(muster_vm_add_memory(vm, 0, ram, kRam, 0, &error));
  muster_start start;
  muster_start_init(&start);
  start.mode = mode;
  start.rip = kCode;
  start.rsp = 0x8000;
  DONE(muster_vm_set_start(vm, &start, &error));
  return vm;
}
