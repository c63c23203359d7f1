/* Every callback of the C interface calls back in, through every row of the table in
 * docs/embedding.md, "What may be called from where". What the table refuses is refused, and
 * nothing waits. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "small_vm.h"

enum Callback {
  kPort,
  kMmio,
  kMsr,
  kNowNs,
  kArm,
  kHold,
  kProceed,
  kLog,
  kAllAsleep,
  kAsserted,
  kAcknowledge,
  kCallbacks
};

static muster_vm* _Atomic vm;
static atomic_int called_back_in[kCallbacks], wire, ready, stopping, added;
static _Thread_local int own = -1; /* the vCPU that the calling thread runs, if any */
static _Thread_local muster_error error;

#define REFUSED(call)                                                              \
  do {                                                                             \
    const int32_t code_ = (call);                                                  \
    if (code_ != MUSTER_FAILED_PRECONDITION) {                                     \
      fprintf(stderr, "%d, callback %d: code %d: %s\n", __LINE__, callback, code_, \
              code_ == MUSTER_OK ? "" : error.message);                            \
      _Exit(1);                                                                    \
    }                                                                              \
  } while (0)

static muster_message Message(uint32_t destination, uint8_t mode) {
  muster_message message;
  memset(&message, 0, sizeof(message));
  message.destination = destination;
  message.delivery_mode = mode;
  message.vector = 0x40;
  return message;
}

static void CallBackIn(enum Callback callback) {
  static _Thread_local int inside; /* or each call would make calls */
  /* What it calls brings it again: a timer has expired, the wire has risen. */
  if (vm == NULL || inside || stopping || called_back_in[callback] >= 10) return;
  inside = 1;
  const int in_device = callback == kPort || callback == kMmio || callback == kMsr;
  muster_exit exit;
  muster_start start;
  muster_message message;
  muster_inspection inspection;
  muster_devices devices;
  int32_t answer = -1;
  const int32_t cpu = own < 0 ? 0 : own;
  static uint8_t page[4096];
  muster_start_init(&start);
  muster_devices_init(&devices);

  /* Vcpu::Run */
  REFUSED(muster_vcpu_run(vm, cpu, NULL, &exit, &error));
  REFUSED(muster_vcpu_run(vm, cpu, &devices, &exit, &error));
  /* Vcpu::Hold, StartAgain */
  if (in_device) {
    DONE(muster_vcpu_hold(vm, cpu, &error));
    DONE(muster_vcpu_let_go(vm, cpu, &error));
  } else if (own >= 0) { /* another's thread may find it outside */
    REFUSED(muster_vcpu_hold(vm, cpu, &error));
    if (cpu == 0) REFUSED(muster_vcpu_start_again(vm, cpu, &start, &error));
  }
  /* Vm::SendMessage, SendMsi, SetLine: an interrupt to nobody, an NMI to one that waits for SIPI */
  message = Message(9, MUSTER_DELIVER_FIXED);
  DONE(muster_vm_send_message(vm, &message, &error));
  message = Message(1, MUSTER_DELIVER_NMI);
  DONE(muster_vm_send_message(vm, &message, &error));
  DONE(muster_vm_send_msi(vm, 0xfee09000, 0x40, &error));
  DONE(muster_vm_set_line(vm, 3, 1, &error));
  DONE(muster_vm_set_line(vm, 3, 0, &error));
  /* the same: INIT, SIPI; vCPU 0 takes no SIPI */
  message = Message(1, MUSTER_DELIVER_INIT);
  if (in_device) {
    DONE(muster_vm_send_message(vm, &message, &error));
  } else {
    REFUSED(muster_vm_send_message(vm, &message, &error));
  }
  message = Message(0, MUSTER_DELIVER_STARTUP);
  if (in_device) {
    DONE(muster_vm_send_message(vm, &message, &error));
  } else {
    REFUSED(muster_vm_send_message(vm, &message, &error));
  }
  /* Vm::Pause, Pause::Resume */
  REFUSED(muster_vm_pause(vm, 0, &error));
  if (callback == kHold) {
    REFUSED(muster_vm_resume(vm, &error));
  } else {
    /* The pause may be about to begin, on this thread or another. */
    const int32_t code = muster_vm_resume(vm, &error);
    CHECK(code == MUSTER_OK || code == MUSTER_FAILED_PRECONDITION);
  }
  /* Vm::Stop is the last: see main. TimerExpired, ExtIntRaised, Vcpu::LetGo */
  DONE(muster_vm_timer_expired(vm, 1, &error));
  DONE(muster_vm_extint_raised(vm, &error));
  DONE(muster_vcpu_let_go(vm, 1, &error));
  /* Vm::AddVcpu, RemoveVcpu; another callback may be about it */
  if (muster_vm_add_vcpu(vm, 2, &error) == MUSTER_OK) {
    DONE(muster_vm_remove_vcpu(vm, 2, &error));
    ++added;
  }
  /* Vcpu::Inspect: its own is at hand, the other's thread may be awake */
  for (int32_t of = 0; of < 2; ++of) {
    muster_inspection_init(&inspection);
    const int32_t code = muster_vcpu_inspect(vm, of, &inspection, &error);
    CHECK(code == MUSTER_OK || (code == MUSTER_FAILED_PRECONDITION && of != own));
    if (code == MUSTER_OK) CHECK(inspection.apic_id == (uint32_t)of);
  }
  /* Vm::CanNeverRunAgain */
  DONE(muster_vm_can_never_run_again(vm, &answer, &error));
  CHECK(answer == 0 || (answer == 1 && !in_device));
  /* MemorySlots::Add, Note, Vm::SetStart */
  REFUSED(muster_vm_add_memory(vm, 0x100000, page, sizeof(page), 0, &error));
  REFUSED(muster_vm_note_memory(vm, 0x100000, page, sizeof(page), &error));
  REFUSED(muster_vm_note_read_only_memory(vm, 0x100000, page, sizeof(page), &error));
  REFUSED(muster_vm_set_start(vm, &start, &error));
  /* Vm::~Vm */
  REFUSED(muster_vm_destroy(vm, &error));
  ++called_back_in[callback];
  inside = 0;
}

static int32_t Port(void* context, muster_vm* of, int32_t cpu, const muster_port* exit) {
  (void)context;
  CHECK(of == vm && cpu == 0);
  CallBackIn(kPort);
  if (exit->port == 0x11) ready = 1;
  return MUSTER_GO_ON;
}
static int32_t Mmio(void* context, muster_vm* of, int32_t cpu, const muster_mmio* exit) {
  (void)context;
  CHECK(of == vm && cpu == 0 && exit->is_write);
  CallBackIn(kMmio);
  return MUSTER_GO_ON;
}
static int32_t Msr(void* context, muster_vm* of, int32_t cpu, const muster_msr* exit) {
  (void)context;
  CHECK(of == vm && cpu == 0);
  *exit->fault = 0;
  CallBackIn(kMsr);
  return MUSTER_GO_ON;
}
static uint64_t NowNs(void* context) {
  (void)context;
  if (own >= 0) CallBackIn(kNowNs);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
static void Arm(void* context, int32_t cpu, uint64_t deadline_ns) {
  (void)context;
  (void)deadline_ns;
  if (cpu == own) CallBackIn(kArm);
}
static void Hold(void* context) {
  (void)context;
  CallBackIn(kHold);
}
static void Proceed(void* context) {
  (void)context;
  CallBackIn(kProceed);
}
static void Log(void* context, int32_t severity, const char* line) {
  (void)context;
  (void)severity;
  (void)line;
  if (own >= 0) CallBackIn(kLog);
}
static void AllAsleep(void* context) {
  (void)context;
  if (own >= 0) CallBackIn(kAllAsleep);
}
static int32_t Asserted(void* context) {
  (void)context;
  if (own >= 0) CallBackIn(kAsserted);
  return wire;
}
static uint8_t Acknowledge(void* context, int32_t cpu) {
  (void)context;
  CHECK(cpu == 0);
  CallBackIn(kAcknowledge);
  wire = 0;
  return 0x40;
}

static void* Run(void* cpu) {
  muster_devices devices;
  muster_exit exit;
  muster_devices_init(&devices);
  devices.port = Port;
  devices.mmio = Mmio;
  devices.msr = Msr;
  own = *(int*)cpu;
  DONE(muster_vcpu_run(vm, own, &devices, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_STOPPED);
  return NULL;
}

/* Until both are asleep, with what they were asked done. */
static void AwaitSleep(void) {
  int32_t asleep = 0;
  while (!asleep) {
    DONE(muster_vm_timer_expired(vm, 0, &error)); /* has it or not */
    DONE(muster_vm_can_never_run_again(vm, &asleep, &error));
    usleep(1000);
  }
}

int main(void) {
  /* Real mode, x2APIC. out 0x10; rdmsr 12345; mov [0xf000:0xfff0], al: no memory; SVR, LVT timer,
   * initial count, and 0 again; self IPI 0x41 with IF clear; out 0x11; LINT0 as ExtINT; sti; hlt */
#define WRMSR(msr, low) 0x66, 0xb9, msr, 0x08, 0, 0, 0x66, 0xb8, low, 0x66, 0x31, 0xd2, 0x0f, 0x30
#define LOW(a, b, c, d) a, b, c, d
  const uint8_t code[] = {0xe6,
                          0x10,
                          0x66,
                          0xb9,
                          0x45,
                          0x23,
                          0x01,
                          0,
                          0x0f,
                          0x32,
                          0xb8,
                          0,
                          0xf0,
                          0x8e,
                          0xd8,
                          0xa2,
                          0xf0,
                          0xff,
                          WRMSR(0x0f, LOW(0xff, 1, 0, 0)),
                          WRMSR(0x32, LOW(0x50, 0, 0, 0)),
                          WRMSR(0x38, LOW(0xff, 0xff, 0xff, 0x7f)),
                          WRMSR(0x38, LOW(0, 0, 0, 0)),
                          WRMSR(0x3f, LOW(0x41, 0, 0, 0)),
                          0xe6,
                          0x11,
                          WRMSR(0x35, LOW(0, 7, 0, 0)),
                          0xfb,
                          0xf4,
                          0xeb,
                          0xfd};
  const uint8_t handler[] = {0x66, 0xb9, 0x0b, 0x08, 0,    0,    0x66, 0x31,
                             0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0xcf}; /* EOI; iret */
  uint8_t* const ram = SmallRam(code, sizeof(code));
  const uint16_t entry[] = {0x2000, 0};
  memcpy(ram + 0x2000, handler, sizeof(handler));
  ram[0x3000] = 0xcf; /* of the 8259: iret */
  memcpy(ram + 4 * 0x41, entry, sizeof(entry));
  const uint16_t entry_of_8259[] = {0x3000, 0};
  memcpy(ram + 4 * 0x40, entry_of_8259, sizeof(entry_of_8259));

  muster_config config;
  muster_config_init(&config);
  config.cpus = 2;
  config.max_cpus = 3;
  config.x2apic = 1;
  config.clock.now_ns = NowNs;
  config.clock.arm = Arm;
  config.clock.hold = Hold;
  config.clock.proceed = Proceed;
  config.log = Log;
  config.all_asleep = AllAsleep;
  config.extint.asserted = Asserted;
  config.extint.acknowledge = Acknowledge;
  vm = SmallVm(&config, ram, MUSTER_START_REAL);
  int cpus[] = {0, 1};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, Run, &cpus[i]);
  while (!ready) sched_yield();
  AwaitSleep();
  wire = 1;
  DONE(muster_vm_extint_raised(vm, &error));
  while (wire) sched_yield();
  AwaitSleep();
  DONE(muster_vm_pause(vm, 10000000000, &error));
  DONE(muster_vm_resume(vm, &error));
  stopping = 1;
  DONE(muster_vm_stop(vm, &error));
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  for (int callback = 0; callback < kCallbacks; ++callback) {
    if (called_back_in[callback] > 0) continue;
    fprintf(stderr, "callback %d has not called back in\n", callback);
    return 1;
  }
  CHECK(added > 0);
  DONE(muster_vm_destroy(vm, &error));
  return 0;
}
