// The machine around the CPUs: how a run ends, what it was given.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Ends the run as passed: power-off through port 0x604.
_Noreturn void PowerOff(void);

// Ends the run as failed: prints "FAIL cpu N: ...", then writes 1 to the debug-exit port 0xF4.
__attribute__((format(printf, 1, 2))) _Noreturn void Fail(const char* format, ...);

// Fails with the condition's text unless it holds.
#define CHECK(condition) \
  ((condition) ? (void)0 : Fail("%s:%d: %s does not hold", __FILE_NAME__, __LINE__, #condition))

// Fails unless both are equal, with both values.
#define CHECK_EQUAL(actual, expected)                                                              \
  do {                                                                                             \
    const uint64_t actual_ = (actual), expected_ = (expected);                                     \
    if (actual_ != expected_) {                                                                    \
      Fail("%s:%d: %s is 0x%lx, not 0x%lx", __FILE_NAME__, __LINE__, #actual, actual_, expected_); \
    }                                                                                              \
  } while (0)

// Whether `word` stands on the command line as a word of its own.
bool CommandLineHas(const char* word);

// N of the first `key=N` (decimal) on the command line, or `otherwise`.
uint64_t CommandLineNumber(const char* key, uint64_t otherwise);

// Of the runtime.
void InitPlatform(uint32_t multiboot_magic, uint32_t multiboot_information);
uint32_t CpuCountFromFwCfg(void);  // 0 where there is no fw_cfg
uint32_t MemoryKib(void);          // from 0 to the first hole above 1 MiB; 0 where not known
