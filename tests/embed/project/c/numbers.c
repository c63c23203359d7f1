/* The numbers of <muster.h>, as programs that were built with it have them: none ever changes. The
 * record of the binary interface does not see enumerators, which parameters and fields have as
 * plain integers. What is new is added here; numbers.py tells what is missing. */
#include <assert.h>
#include <muster.h>

#define IS(name, value) static_assert((name) == (value), #name " has changed")
#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " has changed")
#define AT(type, field, offset, bytes)                                                     \
  static_assert(offsetof(type, field) == (offset) && sizeof(((type*)0)->field) == (bytes), \
                #type "." #field " has moved")

/* By the version of the package that was found. */
IS(MUSTER_VERSION_MAJOR, FOUND_MAJOR);
IS(MUSTER_VERSION_MINOR, FOUND_MINOR);
IS(MUSTER_VERSION_PATCH, FOUND_PATCH);

IS(MUSTER_NEVER, 18446744073709551615u);

IS(MUSTER_OK, 0);
IS(MUSTER_UNKNOWN, 2);
IS(MUSTER_INVALID_ARGUMENT, 3);
IS(MUSTER_DEADLINE_EXCEEDED, 4);
IS(MUSTER_NOT_FOUND, 5);
IS(MUSTER_ALREADY_EXISTS, 6);
IS(MUSTER_PERMISSION_DENIED, 7);
IS(MUSTER_RESOURCE_EXHAUSTED, 8);
IS(MUSTER_FAILED_PRECONDITION, 9);
IS(MUSTER_UNIMPLEMENTED, 12);
IS(MUSTER_INTERNAL, 13);
IS(MUSTER_UNAVAILABLE, 14);
IS(MUSTER_LOG_INFO, 0);
IS(MUSTER_LOG_WARNING, 1);
IS(MUSTER_START_REAL, 0);
IS(MUSTER_START_PROTECTED32, 1);
IS(MUSTER_START_LONG64, 2);
IS(MUSTER_FAULT_TRIPLE, 0);
IS(MUSTER_FAULT_EMULATION, 1);
IS(MUSTER_FAULT_ENTRY, 2);
IS(MUSTER_FAULT_APIC_OVER_RAM, 3);
IS(MUSTER_FAULT_UNEXPECTED_EXIT, 4);
IS(MUSTER_EXIT_PORT, 0);
IS(MUSTER_EXIT_MMIO, 1);
IS(MUSTER_EXIT_MSR, 2);
IS(MUSTER_EXIT_STOPPED, 3);
IS(MUSTER_EXIT_REMOVED, 4);
IS(MUSTER_EXIT_FAULT, 5);
IS(MUSTER_GO_ON, 0);
IS(MUSTER_RETURN, 1);
IS(MUSTER_DELIVER_FIXED, 0);
IS(MUSTER_DELIVER_LOWEST_PRIORITY, 1);
IS(MUSTER_DELIVER_SMI, 2);
IS(MUSTER_DELIVER_NMI, 4);
IS(MUSTER_DELIVER_INIT, 5);
IS(MUSTER_DELIVER_STARTUP, 6);
IS(MUSTER_DELIVER_EXTINT, 7);
IS(MUSTER_STATE_WAIT_FOR_SIPI, 0);
IS(MUSTER_STATE_RUNNING, 1);
IS(MUSTER_STATE_HALTED, 2);
IS(MUSTER_STATE_OFFLINE, 3);

SIZE(muster_error, 512);
AT(muster_error, code, 0, 4);
AT(muster_error, message, 4, 508);

SIZE(muster_clock, 40);
AT(muster_clock, context, 0, 8);
AT(muster_clock, now_ns, 8, 8);
AT(muster_clock, arm, 16, 8);
AT(muster_clock, hold, 24, 8);
AT(muster_clock, proceed, 32, 8);

SIZE(muster_extint, 24);
AT(muster_extint, context, 0, 8);
AT(muster_extint, asserted, 8, 8);
AT(muster_extint, acknowledge, 16, 8);

SIZE(muster_config, 128);
AT(muster_config, size, 0, 4);
AT(muster_config, cpus, 4, 4);
AT(muster_config, max_cpus, 8, 4);
AT(muster_config, kvm_fd, 12, 4);
AT(muster_config, vm_fd, 16, 4);
AT(muster_config, kick_signal, 20, 4);
AT(muster_config, kick_stays_blocked, 24, 1);
AT(muster_config, x2apic, 25, 1);
AT(muster_config, tsc_deadline, 26, 1);
AT(muster_config, ioapic_pins, 27, 1);
AT(muster_config, ioapic_id, 28, 1);
AT(muster_config, reserved, 29, 3);
AT(muster_config, clock, 32, 40);
AT(muster_config, log_context, 72, 8);
AT(muster_config, log, 80, 8);
AT(muster_config, asleep_context, 88, 8);
AT(muster_config, all_asleep, 96, 8);
AT(muster_config, extint, 104, 24);

SIZE(muster_start, 80);
AT(muster_start, size, 0, 4);
AT(muster_start, mode, 4, 4);
AT(muster_start, rip, 8, 8);
AT(muster_start, rsp, 16, 8);
AT(muster_start, rax, 24, 8);
AT(muster_start, rbx, 32, 8);
AT(muster_start, rsi, 40, 8);
AT(muster_start, rdi, 48, 8);
AT(muster_start, cr3, 56, 8);
AT(muster_start, gdt_base, 64, 8);
AT(muster_start, gdt_limit, 72, 4);
AT(muster_start, reserved, 76, 4);

SIZE(muster_port, 16);
AT(muster_port, data, 0, 8);
AT(muster_port, count, 8, 4);
AT(muster_port, port, 12, 2);
AT(muster_port, size, 14, 1);
AT(muster_port, is_write, 15, 1);

SIZE(muster_mmio, 24);
AT(muster_mmio, address, 0, 8);
AT(muster_mmio, data, 8, 8);
AT(muster_mmio, size, 16, 4);
AT(muster_mmio, is_write, 20, 1);
AT(muster_mmio, reserved, 21, 3);

SIZE(muster_msr, 24);
AT(muster_msr, value, 0, 8);
AT(muster_msr, fault, 8, 8);
AT(muster_msr, index, 16, 4);
AT(muster_msr, is_write, 20, 1);
AT(muster_msr, reserved, 21, 3);

SIZE(muster_fault, 32);
AT(muster_fault, detail, 0, 8);
AT(muster_fault, rip, 8, 8);
AT(muster_fault, bytes, 16, 8);
AT(muster_fault, byte_count, 24, 4);
AT(muster_fault, kind, 28, 4);

SIZE(muster_exit, 72);
AT(muster_exit, kind, 0, 4);
AT(muster_exit, cpu, 4, 4);
AT(muster_exit, as, 8, 64);
AT(muster_exit, as.port, 8, 16);
AT(muster_exit, as.mmio, 8, 24);
AT(muster_exit, as.msr, 8, 24);
AT(muster_exit, as.fault, 8, 32);
AT(muster_exit, as.reserved, 8, 64);

SIZE(muster_devices, 40);
AT(muster_devices, size, 0, 4);
AT(muster_devices, reserved, 4, 4);
AT(muster_devices, context, 8, 8);
AT(muster_devices, port, 16, 8);
AT(muster_devices, mmio, 24, 8);
AT(muster_devices, msr, 32, 8);

SIZE(muster_message, 12);
AT(muster_message, destination, 0, 4);
AT(muster_message, x2apic, 4, 1);
AT(muster_message, logical, 5, 1);
AT(muster_message, delivery_mode, 6, 1);
AT(muster_message, level_triggered, 7, 1);
AT(muster_message, deasserted, 8, 1);
AT(muster_message, vector, 9, 1);
AT(muster_message, reserved, 10, 2);

SIZE(muster_inspection, 240);
AT(muster_inspection, size, 0, 4);
AT(muster_inspection, state, 4, 4);
AT(muster_inspection, apic_id, 8, 4);
AT(muster_inspection, held, 12, 1);
AT(muster_inspection, registers_known, 13, 1);
AT(muster_inspection, x2apic, 14, 1);
AT(muster_inspection, deliverable, 15, 1);
AT(muster_inspection, rip, 16, 8);
AT(muster_inspection, rflags, 24, 8);
AT(muster_inspection, cr0, 32, 8);
AT(muster_inspection, cr2, 40, 8);
AT(muster_inspection, cr3, 48, 8);
AT(muster_inspection, cr4, 56, 8);
AT(muster_inspection, cr8, 64, 8);
AT(muster_inspection, efer, 72, 8);
AT(muster_inspection, gpr, 80, 128);
AT(muster_inspection, entries, 208, 8);
AT(muster_inspection, interrupts, 216, 8);
AT(muster_inspection, meetings, 224, 8);
AT(muster_inspection, kicks, 232, 8);
