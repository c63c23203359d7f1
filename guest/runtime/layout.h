// Where things lie in guest memory; shared by C and assembly.
//
//   0x8000   one page: the real-mode code that SIPI starts
//   1 MiB    the image
//   16 MiB   stacks of CPUs 1, 2, ..., out of the image so that loaders need not clear them
#pragma once

#define MAX_CPUS 1024

#define TRAMPOLINE 0x8000
#define STACKS 0x1000000
#define STACK_SIZE 0x2000

// Selectors of the descriptor table in boot.S.
#define CODE32 0x08
#define DATA 0x10
#define CODE64 0x18
