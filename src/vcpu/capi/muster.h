/* Muster's vCPUs for C and what speaks it: libmuster.so, a stable binary interface over
 * <muster/vcpu/run/vm.h> and vcpu.h, which say more about each call.
 *
 * Every function returns a muster_code: MUSTER_OK, or what failed, and then `*error`, unless it is
 * NULL, says it in words. Nothing prints, exits, aborts or installs a signal handler, and no
 * exception comes out; where a callback of muster_devices throws one, the run fails, and the
 * others' end where they were called (the time is 0 then, the wire low, the vector 255). Structures
 * with a `size` may grow at their end; initialize them by their muster_..._init. Numbers of vCPUs
 * are their APIC ids; vCPU 0 is the bootstrap processor. Times are in ns, by the caller's clock.
 *
 * Any thread may call any function at any time, except where it says otherwise; docs/embedding.md
 * has the table of what may be called from which callback. A thread that is cancelled inside a
 * call, in the deferred way, goes on until that has returned (see there for signal handlers); a
 * callback returns, and does not end its thread. A child of fork has VMs of its own alone: KVM
 * refuses it its parent's.
 */
#ifndef MUSTER_H
#define MUSTER_H

#include <stddef.h>
#include <stdint.h>

#define MUSTER_VERSION_MAJOR 0
#define MUSTER_VERSION_MINOR 1
#define MUSTER_VERSION_PATCH 0

#define MUSTER_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/** What became of a call. The numbers are those of absl::StatusCode. */
typedef enum muster_code {
  MUSTER_OK = 0,
  MUSTER_UNKNOWN = 2,
  MUSTER_INVALID_ARGUMENT = 3,    /**< an argument breaks a rule, whatever the state */
  MUSTER_DEADLINE_EXCEEDED = 4,   /**< vCPUs did not stand still in time */
  MUSTER_NOT_FOUND = 5,           /**< no such vCPU, or no /dev/kvm */
  MUSTER_ALREADY_EXISTS = 6,      /**< a vCPU that is there already */
  MUSTER_PERMISSION_DENIED = 7,   /**< /dev/kvm */
  MUSTER_RESOURCE_EXHAUSTED = 8,  /**< descriptors or memory of the host */
  MUSTER_FAILED_PRECONDITION = 9, /**< misuse: not now, not here, or not any more */
  MUSTER_UNIMPLEMENTED = 12,      /**< this KVM cannot */
  MUSTER_INTERNAL = 13,           /**< an ioctl that should not fail, or a callback threw */
  MUSTER_UNAVAILABLE = 14
} muster_code;

/** Why a call failed; untouched where it did not. */
typedef struct muster_error {
  int32_t code;      /**< muster_code, as returned */
  char message[508]; /**< ends in NUL; names the function, the thing and the rule */
} muster_error;

/** A virtual machine: its vCPUs, APICs and rendezvous. Made by muster_vm_create. A handle of a VM
 * that was destroyed is recognized, and refused with MUSTER_FAILED_PRECONDITION. */
typedef struct muster_vm muster_vm;

/** The version of the library that is loaded: major << 16 | minor << 8 | patch. */
MUSTER_API uint32_t muster_version(void);

/* ---- making one ------------------------------------------------------------------------------ */

/** Never: no deadline. */
#define MUSTER_NEVER UINT64_MAX

/** The guest's time: muster::vcpu::Clock. */
typedef struct muster_clock {
  void* context; /**< first argument of each */
  /** Monotonic, ns, any origin. */
  uint64_t (*now_ns)(void* context);
  /** Asks for muster_vm_timer_expired(cpu) at `deadline_ns`, in place of the earlier deadline of
   * that vCPU; MUSTER_NEVER cancels. On the vCPU's thread or one that acts for it. */
  void (*arm)(void* context, int32_t cpu, uint64_t deadline_ns);
  /** The vCPUs stand still from `hold` to `proceed`, and time should. May be NULL, both. */
  void (*hold)(void* context);
  void (*proceed)(void* context);
} muster_clock;

/** The machine's 8259s, or whatever else answers interrupt acknowledge cycles:
 * muster::vcpu::ExtIntSource. Both NULL: there are none, and ExtINT messages are discarded. */
typedef struct muster_extint {
  void* context; /**< first argument of each */
  /** INTR's level, 0 or 1. Any thread, at any time: it answers at once, and takes no lock that is
   * held around a call of the library. */
  int32_t (*asserted)(void* context);
  /** vCPU `cpu` takes the interrupt, whose vector this gives: that of a spurious one where the
   * request has gone. On the vCPU's thread, inside its run. */
  uint8_t (*acknowledge)(void* context, int32_t cpu);
} muster_extint;

/** Severities of muster_config.log. */
enum { MUSTER_LOG_INFO = 0, MUSTER_LOG_WARNING = 1 };

/** Everything zero but what muster_config_init sets. */
typedef struct muster_config {
  uint32_t size;              /**< of this structure, as the caller knows it */
  int32_t cpus;               /**< 1 to 1,024 */
  int32_t max_cpus;           /**< room for muster_vm_add_vcpu; 0: none */
  int32_t kvm_fd;             /**< /dev/kvm, open and the caller's; -1: opened here */
  int32_t vm_fd;              /**< of KVM_CREATE_VM, the caller's; -1: made here */
  int32_t kick_signal;        /**< interrupts KVM_RUN and needs no handler; init: SIGUSR1 */
  uint8_t kick_stays_blocked; /**< 1: each thread that runs a vCPU keeps it blocked */
  uint8_t x2apic;             /**< 1: vCPUs begin in x2APIC mode */
  uint8_t tsc_deadline;       /**< 1: the timer's TSC-deadline mode, where this KVM lets it work */
  uint8_t ioapic_pins;        /**< 1 to 120; init: 24 */
  uint8_t ioapic_id;
  uint8_t reserved[3]; /**< 0 */
  muster_clock clock;  /**< `now_ns` and `arm` are needed; outlives the VM */
  void* log_context;   /**< first argument of `log` */
  /** What is no error and nobody asked for; a line without its end. By any thread. May be NULL. */
  void (*log)(void* context, int32_t severity, const char* line);
  void* asleep_context; /**< first argument of `all_asleep` */
  /** Each time all vCPUs have come to be asleep with no timer armed. May be NULL. */
  void (*all_asleep)(void* context);
  muster_extint extint; /**< outlives the VM */
} muster_config;

/** One vCPU, no clock, descriptors made here. In C and C++ the name is a macro, for
 * muster_config_init_sized. The function itself makes the first version's structure, without
 * `extint`: for older programs and other languages. */
MUSTER_API void muster_config_init(muster_config* config);
/** The same in one of `size` bytes, as the caller knows it: what a later version than the library's
 * has put behind is zero. A size that no version has had: it alone is set, by which
 * muster_vm_create refuses it. */
MUSTER_API void muster_config_init_sized(muster_config* config, uint32_t size);
#define muster_config_init(config) muster_config_init_sized((config), sizeof(muster_config))

/** `*vm` is a VM whose vCPUs have not run. Descriptors given are duplicated and stay the caller's.
 */
MUSTER_API int32_t muster_vm_create(const muster_config* config, muster_vm** vm,
                                    muster_error* error);

/** Ends a VM. MUSTER_FAILED_PRECONDITION while a call with this handle has not returned: stop it
 * and join its threads first. Memory given to it is the caller's again. */
MUSTER_API int32_t muster_vm_destroy(muster_vm* vm, muster_error* error);

/** Puts `bytes` at `host`, whole pages, at guest-physical `gpa`. They stay the caller's, and mapped
 * until the VM is destroyed. `read_only` is 0 or 1: then writes are exits. KVM's slots are numbered
 * from KVM_CAP_NR_MEMSLOTS - 2 down, and the one above is the library's: the maker of `vm_fd`
 * numbers its own from 0 up. MUSTER_INVALID_ARGUMENT where KVM finds a slot of that number there,
 * MUSTER_FAILED_PRECONDITION after a vCPU has run. */
MUSTER_API int32_t muster_vm_add_memory(muster_vm* vm, uint64_t gpa, void* host, uint64_t bytes,
                                        int32_t read_only, muster_error* error);

/** Tells of memory that the maker of `vm_fd` has put there by a slot of its own.
 * MUSTER_FAILED_PRECONDITION after a vCPU has run. */
MUSTER_API int32_t muster_vm_note_memory(muster_vm* vm, uint64_t gpa, void* host, uint64_t bytes,
                                         muster_error* error);
/** The same of a slot that is KVM_MEM_READONLY: the library writes nothing there. */
MUSTER_API int32_t muster_vm_note_read_only_memory(muster_vm* vm, uint64_t gpa, void* host,
                                                   uint64_t bytes, muster_error* error);

/** Modes of muster_start. */
enum { MUSTER_START_REAL = 0, MUSTER_START_PROTECTED32 = 1, MUSTER_START_LONG64 = 2 };

/** Where the bootstrap processor begins: muster::vcpu::StartState. */
typedef struct muster_start {
  uint32_t size; /**< of this structure */
  uint32_t mode;
  uint64_t rip, rsp, rax, rbx, rsi, rdi;
  uint64_t cr3;      /**< MUSTER_START_LONG64 */
  uint64_t gdt_base; /**< selectors 0x08, code, and 0x10, data; limit 0: none */
  uint32_t gdt_limit;
  uint32_t reserved; /**< 0 */
} muster_start;

/** MUSTER_START_PROTECTED32, everything else 0. */
MUSTER_API void muster_start_init(muster_start* start);

/** MUSTER_FAILED_PRECONDITION after the first run of vCPU 0: later muster_vcpu_start_again.
 * MUSTER_INVALID_ARGUMENT where `start` breaks a rule of its mode: real mode begins below 1 MiB,
 * protected mode below 4 GiB, and the page tables of long mode lie on a page boundary. */
MUSTER_API int32_t muster_vm_set_start(muster_vm* vm, const muster_start* start,
                                       muster_error* error);

/* ---- running --------------------------------------------------------------------------------- */

/** IN or OUT: `count` elements of `size` bytes at `data`, which IN fills. */
typedef struct muster_port {
  uint8_t* data;
  uint32_t count;
  uint16_t port;
  uint8_t size; /**< 1, 2 or 4 */
  uint8_t is_write;
} muster_port;

/** An access to an address without memory: `size` bytes at `data`, 1 to 8, which a read fills. */
typedef struct muster_mmio {
  uint64_t address;
  uint8_t* data;
  uint32_t size;
  uint8_t is_write;
  uint8_t reserved[3];
} muster_mmio;

/** RDMSR or WRMSR of what neither KVM nor the local APIC knows: #GP(0), unless `*fault` is cleared.
 */
typedef struct muster_msr {
  uint64_t* value;
  uint8_t* fault;
  uint32_t index;
  uint8_t is_write;
  uint8_t reserved[3];
} muster_msr;

/** Kinds of muster_fault: muster::vcpu::GuestFaultExit::Kind. */
enum {
  MUSTER_FAULT_TRIPLE = 0,
  MUSTER_FAULT_EMULATION = 1,
  MUSTER_FAULT_ENTRY = 2,
  MUSTER_FAULT_APIC_OVER_RAM = 3,
  MUSTER_FAULT_UNEXPECTED_EXIT = 4
};

/** What the guest did that it cannot go on from. */
typedef struct muster_fault {
  uint64_t detail; /**< hardware's reason, suberror or exit reason */
  uint64_t rip;
  const uint8_t* bytes; /**< of the refused instruction; NULL: not known */
  uint32_t byte_count;
  uint32_t kind;
} muster_fault;

/** Kinds of muster_exit. */
enum {
  MUSTER_EXIT_PORT = 0,
  MUSTER_EXIT_MMIO = 1,
  MUSTER_EXIT_MSR = 2,
  MUSTER_EXIT_STOPPED = 3, /**< muster_vm_stop */
  MUSTER_EXIT_REMOVED = 4, /**< muster_vm_remove_vcpu */
  MUSTER_EXIT_FAULT = 5    /**< the vCPU does not run again */
};

/** Why a run returned. Pointers are good until the next run of that vCPU. */
typedef struct muster_exit {
  uint32_t kind; /**< selects in `as` */
  int32_t cpu;
  union {
    muster_port port;
    muster_mmio mmio;
    muster_msr msr;
    muster_fault fault;
    uint64_t reserved[8];
  } as;
} muster_exit;

/** What a device callback returns. */
enum { MUSTER_GO_ON = 0, MUSTER_RETURN = 1 };

/** What the guest reaches: muster::vcpu::Devices. Each is called on the thread that runs the vCPU,
 * with no lock held, and may block. One that is NULL leaves its exits to the caller of the run. */
typedef struct muster_devices {
  uint32_t size;     /**< of this structure */
  uint32_t reserved; /**< 0 */
  void* context;     /**< first argument of each */
  int32_t (*port)(void* context, muster_vm* vm, int32_t cpu, const muster_port* exit);
  int32_t (*mmio)(void* context, muster_vm* vm, int32_t cpu, const muster_mmio* exit);
  int32_t (*msr)(void* context, muster_vm* vm, int32_t cpu, const muster_msr* exit);
} muster_devices;

/** Everything NULL. */
MUSTER_API void muster_devices_init(muster_devices* devices);

/** Runs the guest on vCPU `cpu` until something happens that `devices`, which may be NULL, does not
 * serve; blocks while the vCPU sleeps. `*exit` says what; where the call fails it is untouched.
 *
 * A run that is refused has done nothing: MUSTER_INVALID_ARGUMENT of its arguments,
 * MUSTER_NOT_FOUND, or MUSTER_FAILED_PRECONDITION, as for a second thread. Where a callback threw,
 * the exit counts as served, and the next run goes on behind it. Where KVM failed, with whatever
 * code, the vCPU does not run again: its state is MUSTER_STATE_OFFLINE. */
MUSTER_API int32_t muster_vcpu_run(muster_vm* vm, int32_t cpu, const muster_devices* devices,
                                   muster_exit* exit, muster_error* error);

/** Makes every run return MUSTER_EXIT_STOPPED, now and from here on; in a pause, when that ends. */
MUSTER_API int32_t muster_vm_stop(muster_vm* vm, muster_error* error);

/** The deadline of vCPU `cpu` has passed: see muster_clock.arm. Late and stale ones are harmless.
 */
MUSTER_API int32_t muster_vm_timer_expired(muster_vm* vm, int32_t cpu, muster_error* error);

/** vCPU `cpu`, which is not there, joins, waiting for SIPI; a thread may then run it. */
MUSTER_API int32_t muster_vm_add_vcpu(muster_vm* vm, int32_t cpu, muster_error* error);

/** Takes vCPU `cpu` away: its run returns MUSTER_EXIT_REMOVED. Not the bootstrap processor. */
MUSTER_API int32_t muster_vm_remove_vcpu(muster_vm* vm, int32_t cpu, muster_error* error);

/* ---- interrupts ------------------------------------------------------------------------------ */

/** A device's line to pin `pin` of the I/O APIC; `asserted` is 0 or 1.
 * MUSTER_INVALID_ARGUMENT where there is no such pin. */
MUSTER_API int32_t muster_vm_set_line(muster_vm* vm, uint32_t pin, int32_t asserted,
                                      muster_error* error);

/** muster_config.extint's wire has risen: to be called after each rise, so that a vCPU that it
 * reaches looks at it. A fall needs no call. MUSTER_FAILED_PRECONDITION where none was given. */
MUSTER_API int32_t muster_vm_extint_raised(muster_vm* vm, muster_error* error);

/** A message-signalled interrupt, as a device writes it; address FEE00000 to FEEFFFFF. Data that
 * sends nothing is no error: the guest has programmed it. That is a reserved delivery mode (3, 6),
 * and the de-assertion of a level in modes 0 and 1. */
MUSTER_API int32_t muster_vm_send_msi(muster_vm* vm, uint64_t address, uint32_t data,
                                      muster_error* error);

/** Delivery modes of muster_message, as in the ICR. */
enum {
  MUSTER_DELIVER_FIXED = 0,
  MUSTER_DELIVER_LOWEST_PRIORITY = 1,
  MUSTER_DELIVER_SMI = 2,
  MUSTER_DELIVER_NMI = 4,
  MUSTER_DELIVER_INIT = 5,
  MUSTER_DELIVER_STARTUP = 6,
  MUSTER_DELIVER_EXTINT = 7
};

/** What travels between APICs: muster::apic::Message. */
typedef struct muster_message {
  uint32_t destination;
  uint8_t x2apic;  /**< 1: the destination has 32 bits, else 8 */
  uint8_t logical; /**< destination mode: 0 physical, 1 logical */
  uint8_t delivery_mode;
  uint8_t level_triggered; /**< 0 edge, 1 level */
  uint8_t deasserted;      /**< 1: INIT level de-assert, which does nothing */
  uint8_t vector;
  uint8_t reserved[2]; /**< 0 */
} muster_message;

/** An interrupt, NMI, INIT or SIPI from outside the vCPUs. INIT and SIPI wait for their targets,
 * but not for the end of a pause. */
MUSTER_API int32_t muster_vm_send_message(muster_vm* vm, const muster_message* message,
                                          muster_error* error);

/* ---- standing still -------------------------------------------------------------------------- */

/** Has all vCPUs stand still, and the guest's clocks, until muster_vm_resume.
 * MUSTER_DEADLINE_EXCEEDED names those that did not in `timeout_ns`, and all go on;
 * MUSTER_FAILED_PRECONDITION in a device callback of this VM, and while one pause lasts. */
MUSTER_API int32_t muster_vm_pause(muster_vm* vm, uint64_t timeout_ns, muster_error* error);

/** Ends the pause; without one it does nothing. MUSTER_FAILED_PRECONDITION in a line to log about a
 * wait, where the pause lasts, and while muster_vm_pause has not returned, as in `hold` of
 * muster_clock: the pause begins all the same. */
MUSTER_API int32_t muster_vm_resume(muster_vm* vm, muster_error* error);

/** From the next run on vCPU `cpu` executes nothing, until muster_vcpu_let_go. By the thread that
 * runs it, between two runs; in a pause it waits for its end. */
MUSTER_API int32_t muster_vcpu_hold(muster_vm* vm, int32_t cpu, muster_error* error);
/** Ends a hold of vCPU `cpu`; without one it does nothing. */
MUSTER_API int32_t muster_vcpu_let_go(muster_vm* vm, int32_t cpu, muster_error* error);

/** The bootstrap processor begins anew at `start`. By the thread that runs it, between two runs or
 * in a device callback of it; the others are left as they are: send them an INIT. In a pause it
 * waits for its end. Of `start`: as muster_vm_set_start. */
MUSTER_API int32_t muster_vcpu_start_again(muster_vm* vm, int32_t cpu, const muster_start* start,
                                           muster_error* error);

/** States of muster_inspection. */
enum {
  MUSTER_STATE_WAIT_FOR_SIPI = 0,
  MUSTER_STATE_RUNNING = 1,
  MUSTER_STATE_HALTED = 2,
  MUSTER_STATE_OFFLINE = 3
};

/** A vCPU as it stands. */
typedef struct muster_inspection {
  uint32_t size; /**< of this structure, as the caller knows it; then how much of it is filled in */
  uint32_t state;
  uint32_t apic_id;
  uint8_t held;            /**< by muster_vcpu_hold */
  uint8_t registers_known; /**< 0: it never ran, or KVM has lost them */
  uint8_t x2apic;
  uint8_t deliverable; /**< the guest could take an interrupt or NMI now */
  uint64_t rip, rflags, cr0, cr2, cr3, cr4, cr8, efer;
  uint64_t gpr[16];                              /**< RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15 */
  uint64_t entries, interrupts, meetings, kicks; /**< totals */
} muster_inspection;

/** Everything zero but `size`. In C and C++ the name is a macro, for muster_inspection_init_sized.
 * The function itself makes the first version's structure. */
MUSTER_API void muster_inspection_init(muster_inspection* inspection);
/** The same in one of `size` bytes, as muster_config_init_sized does it. */
MUSTER_API void muster_inspection_init_sized(muster_inspection* inspection, uint32_t size);
#define muster_inspection_init(inspection) \
  muster_inspection_init_sized((inspection), sizeof(muster_inspection))

/** Fills in what the caller and the library both know, says in `size` how many bytes that are, and
 * clears what the caller alone knows: a field is known where it ends within `size`. May be called
 * again with the same structure. MUSTER_FAILED_PRECONDITION while a thread is awake inside the
 * vCPU's run, but for a pause; MUSTER_NOT_FOUND where it is not there. */
MUSTER_API int32_t muster_vcpu_inspect(muster_vm* vm, int32_t cpu, muster_inspection* inspection,
                                       muster_error* error);

/** `*answer` is 1 when no vCPU can ever run again by itself, at the moment of the call; else 0. */
MUSTER_API int32_t muster_vm_can_never_run_again(muster_vm* vm, int32_t* answer,
                                                 muster_error* error);

#ifdef __cplusplus
}
#endif

#endif /* MUSTER_H */
