#include "runtime/platform.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include "runtime/console.h"
#include "runtime/percpu.h"
#include "runtime/x86.h"

enum {
  kPowerManagementControl = 0x604,  // QEMU's PIIX4 and ICH9
  kSleepEnable = 1 << 13,
  kDebugExit = 0xF4,
  kFwCfgSelector = 0x510,
  kFwCfgData = 0x511,
  kFwCfgSignature = 0,
  kFwCfgCpus = 5,
  kMultibootMagic = 0x2BADB002,
  kMultibootHasMemory = 1 << 0,
  kMultibootHasCommandLine = 1 << 2,
};

struct MultibootInformation {
  uint32_t flags;
  uint32_t mem_lower, mem_upper;  // KiB from 0, and from 1 MiB to the first hole
  uint32_t boot_device, command_line;
};

static char command_line[1024];
static uint32_t memory_kib;  // 0: not known

void InitPlatform(uint32_t multiboot_magic, uint32_t multiboot_information) {
  if (multiboot_magic != kMultibootMagic) return;
  const struct MultibootInformation* information = (const void*)(uintptr_t)multiboot_information;
  if (information->flags & kMultibootHasMemory) memory_kib = 1024 + information->mem_upper;
  if (!(information->flags & kMultibootHasCommandLine)) return;
  const char* from = (const char*)(uintptr_t)information->command_line;
  for (size_t i = 0; i + 1 < sizeof(command_line) && from[i] != '\0'; ++i)
    command_line[i] = from[i];
}

uint32_t MemoryKib(void) { return memory_kib; }

static void SelectFwCfg(uint16_t key) { WritePort16(kFwCfgSelector, key); }

uint32_t CpuCountFromFwCfg(void) {
  SelectFwCfg(kFwCfgSignature);
  for (const char* c = "QEMU"; *c != '\0'; ++c) {
    if (ReadPort8(kFwCfgData) != (uint8_t)*c) return 0;
  }
  SelectFwCfg(kFwCfgCpus);
  const uint32_t low = ReadPort8(kFwCfgData);
  return low | (uint32_t)ReadPort8(kFwCfgData) << 8;
}

_Noreturn void PowerOff(void) {
  WritePort16(kPowerManagementControl, kSleepEnable);
  HaltForever();
}

_Noreturn void Fail(const char* format, ...) {
  static atomic_flag failed = ATOMIC_FLAG_INIT;
  DisableInterrupts();
  if (atomic_flag_test_and_set(&failed)) HaltForever();  // the first to fail says why
  va_list arguments;
  va_start(arguments, format);
  PrintFailure(CpuNumber(), format, arguments);
  va_end(arguments);
  WritePort8(kDebugExit, 1);
  HaltForever();
}

// The word that starts at or after `at`, or null; `*end` is where it ends. The first word may be
// the image's path: no option looks like one.
static const char* NextWord(const char* at, const char** end) {
  while (*at == ' ') ++at;
  if (*at == '\0') return NULL;
  *end = at;
  while (**end != ' ' && **end != '\0') ++*end;
  return at;
}

// What follows `prefix` where `text` begins with it, else null.
static const char* SkipPrefix(const char* text, const char* prefix) {
  while (*prefix != '\0') {
    if (*text++ != *prefix++) return NULL;
  }
  return text;
}

bool CommandLineHas(const char* word) {
  const char* end;
  for (const char* at = command_line; (at = NextWord(at, &end)) != NULL; at = end) {
    if (SkipPrefix(at, word) == end) return true;
  }
  return false;
}

uint64_t CommandLineNumber(const char* key, uint64_t otherwise) {
  const char* end;
  for (const char* at = command_line; (at = NextWord(at, &end)) != NULL; at = end) {
    const char* digit = SkipPrefix(at, key);
    if (digit == NULL || *digit++ != '=') continue;
    uint64_t value = 0;
    for (; *digit >= '0' && *digit <= '9'; ++digit) value = value * 10 + (uint64_t)(*digit - '0');
    if (digit != end) Fail("%s= takes a decimal number", key);
    return value;
  }
  return otherwise;
}
