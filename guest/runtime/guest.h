// All of the runtime. docs/guests.md shows how a guest is written.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/apic.h"
#include "runtime/console.h"
#include "runtime/cpu.h"
#include "runtime/gate.h"
#include "runtime/ioapic.h"
#include "runtime/ipi.h"
#include "runtime/irq.h"
#include "runtime/percpu.h"
#include "runtime/platform.h"
#include "runtime/wait.h"
#include "runtime/x86.h"
