// Output, a line at a time: lines of different CPUs never mix.
#pragma once

#include <stdarg.h>
#include <stdint.h>

// Prints one line; the newline is added. Takes %u %d %x (32 bits), %lu %lx (64), %s, %c, %%, and a
// width with or without a leading zero, as in %08x. A line longer than 200 characters is cut.
__attribute__((format(printf, 1, 2))) void Print(const char* format, ...);

// Prints "FAIL cpu N: ..." and takes no lock: the run is about to end, and the lock's holder may be
// the CPU that fails.
void PrintFailure(uint32_t cpu, const char* format, va_list arguments);

// To port 0xE9 instead of COM1; the word `console=e9` on the command line asks for it.
void UseDebugConsole(void);

void InitConsole(void);
