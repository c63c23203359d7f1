/* Misuse of <muster.h>: a code and a message that says what and where, never a crash. */
#include <pthread.h>
#include <stddef.h>

#include "small_vm.h"

/* `code` is `expected`, and both words are in the message. */
#define REFUSED(call, expected, word, other)                                          \
  do {                                                                                \
    memset(&error, 0, sizeof(error));                                                 \
    const int32_t code_ = (call);                                                     \
    if (code_ != (expected) || error.code != code_ || !strstr(error.message, word) || \
        !strstr(error.message, other)) {                                              \
      fprintf(stderr, "%d: code %d: \"%s\"\n", __LINE__, code_, error.message);       \
      _Exit(1);                                                                       \
    }                                                                                 \
  } while (0)

static muster_error error;

static int32_t Asserted(void* context) {
  (void)context;
  return 0;
}

static uint8_t* ram;

static muster_vm* Make(int32_t cpus, int32_t max_cpus) {
  muster_config config = SmallConfig();
  config.cpus = cpus;
  config.max_cpus = max_cpus;
  return SmallVm(&config, ram, MUSTER_START_PROTECTED32);
}

/* In a callback: what would wait for this very thread, or end what it stands in. */
static int32_t InPort(void* context, muster_vm* vm, int32_t cpu, const muster_port* exit) {
  (void)context;
  (void)exit;
  muster_exit other;
  REFUSED(muster_vm_pause(vm, 0, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_pause", "vCPU 0");
  REFUSED(muster_vcpu_run(vm, cpu, NULL, &other, &error), MUSTER_FAILED_PRECONDITION,
          "muster_vcpu_run", "vCPU 0");
  REFUSED(muster_vm_destroy(vm, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_destroy", "1");
  return MUSTER_RETURN;
}

static void Arguments(void) {
  muster_config config;
  muster_vm* vm = NULL;
  muster_config_init(&config);
  REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_vm_create",
          "now_ns");
  REFUSED(muster_vm_create(NULL, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_config", "NULL");
  REFUSED(muster_vm_create(&config, NULL, &error), MUSTER_INVALID_ARGUMENT, "vm", "NULL");
  config.size = 4;
  REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT, "size is 4",
          "muster_config_init");
  config.size = 5000;
  REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT, "size is 5000",
          "muster_config");
  muster_config_init(&config);
  config.reserved[2] = 1;
  REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_config.reserved",
          "not 0");
  struct {
    muster_config config;
    uint64_t of_a_later_version;
  } longer;
  memset(&longer, 0, sizeof(longer));
  muster_config_init(&longer.config);
  longer.config.size = sizeof(longer);
  longer.of_a_later_version = 1;
  REFUSED(muster_vm_create(&longer.config, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_config",
          "not 0");
  longer.of_a_later_version = 0;
  REFUSED(muster_vm_create(&longer.config, &vm, &error), MUSTER_INVALID_ARGUMENT,
          "muster_vm_create", "now_ns");
  muster_config_init(&config);
  config.clock.now_ns = NoTime;
  config.clock.arm = NoTimer;
  config.extint.asserted = Asserted;
  REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_config.extint",
          "acknowledge");
  CHECK(muster_vm_create(NULL, NULL, NULL) == MUSTER_INVALID_ARGUMENT);
  muster_config_init(NULL);
}

/* A program that was built when the structure was shorter, and nothing past that is written. */
static void OfAnEarlierVersion(void) {
  const uint32_t kFirst = offsetof(muster_config, extint);
  struct {
    muster_config config;
    uint8_t behind[64];
  } given;
  for (int by_size = 0; by_size < 2; ++by_size) {
    memset(&given, 0xa5, sizeof(given));
    if (by_size) {
      muster_config_init_sized(&given.config, kFirst);
    } else {
      (muster_config_init)(&given.config);
    }
    CHECK(given.config.size == kFirst);
    for (const uint8_t* byte = (uint8_t*)&given + kFirst; byte < (uint8_t*)(&given + 1); ++byte) {
      CHECK(*byte == 0xa5);
    }
    given.config.clock.now_ns = NoTime;
    given.config.clock.arm = NoTimer;
    muster_vm* vm = NULL;
    DONE(muster_vm_create(&given.config, &vm, &error));
    REFUSED(muster_vm_extint_raised(vm, &error), MUSTER_FAILED_PRECONDITION,
            "muster_vm_extint_raised", "muster_config.extint");
    DONE(muster_vm_destroy(vm, &error));
  }
}

/* Of what no version has, as much is written as says so. */
static void OfNoVersion(void) {
  const uint32_t kFirst = offsetof(muster_config, extint);
  muster_config config;
  for (uint32_t size = 0; size < sizeof(config); ++size) {
    if (size == kFirst) continue;
    memset(&config, 0xa5, sizeof(config));
    muster_config_init_sized(&config, size);
    const uint32_t written = size < sizeof(config.size) ? 0 : sizeof(config.size);
    for (const uint8_t* byte = (uint8_t*)&config + written; byte < (uint8_t*)(&config + 1);
         ++byte) {
      CHECK(*byte == 0xa5);
    }
    if (written == 0) continue;
    CHECK(config.size == size);
    /* It would do but for its size. */
    config = SmallConfig();
    config.size = size;
    muster_vm* vm = NULL;
    REFUSED(muster_vm_create(&config, &vm, &error), MUSTER_INVALID_ARGUMENT,
            "muster_config: size is ",
            size < kFirst ? "less than the 104 of its first version" : "which is no version's");
  }
}

/* Programs that were built with a later <muster.h>, whose structures are longer: what they set
 * there is told, and what they read there is 0. */
static void OfALaterVersion(void) {
  struct {
    muster_config config;
    uint64_t later;
    uint64_t behind;
  } given;
  const uint32_t kLater = offsetof(__typeof__(given), behind);
  memset(&given, 0xa5, sizeof(given));
  muster_config_init_sized(&given.config, kLater);
  CHECK(given.config.size == kLater && given.later == 0 && given.behind == 0xa5a5a5a5a5a5a5a5);
  given.config.clock.now_ns = NoTime;
  given.config.clock.arm = NoTimer;
  given.later = 1;
  muster_vm* vm = NULL;
  REFUSED(muster_vm_create(&given.config, &vm, &error), MUSTER_INVALID_ARGUMENT, "muster_config",
          "not 0");
  given.later = 0;
  DONE(muster_vm_create(&given.config, &vm, &error));

  struct {
    muster_inspection inspection;
    uint64_t later;
    uint64_t behind;
  } seen;
  const uint32_t kLonger = offsetof(__typeof__(seen), behind);
  memset(&seen, 0xa5, sizeof(seen));
  muster_inspection_init_sized(&seen.inspection, kLonger);
  CHECK(seen.inspection.size == kLonger && seen.later == 0 && seen.behind == 0xa5a5a5a5a5a5a5a5);
  seen.later = 0xa5;
  for (int again = 0; again < 2; ++again) {
    DONE(muster_vcpu_inspect(vm, 0, &seen.inspection, &error));
    CHECK(seen.inspection.size == sizeof(muster_inspection) && seen.inspection.state == 1);
    CHECK(seen.later == 0 && seen.behind == 0xa5a5a5a5a5a5a5a5);
  }
  for (int by_macro = 0; by_macro < 2; ++by_macro) {
    memset(&seen, 0xa5, sizeof(seen));
    if (by_macro) {
      muster_inspection_init(&seen.inspection);
    } else {
      (muster_inspection_init)(&seen.inspection);
    }
    CHECK(seen.inspection.size == sizeof(muster_inspection) && seen.inspection.kicks == 0);
    CHECK(seen.later == 0xa5a5a5a5a5a5a5a5);
  }
  muster_inspection_init(NULL);
  DONE(muster_vm_destroy(vm, &error));
}

static void OfALivingVm(void) {
  muster_vm* vm = Make(2, 3);
  muster_exit exit;
  muster_devices devices;
  REFUSED(muster_vm_add_memory(vm, 0, ram, 4096, 0, &error), MUSTER_INVALID_ARGUMENT,
          "muster_vm_add_memory", "0x");
  REFUSED(muster_vm_note_memory(vm, 0x8000, ram, 4096, &error), MUSTER_INVALID_ARGUMENT,
          "muster_vm_note_memory", "overlaps");
  muster_devices_init(&devices);
  devices.port = InPort;
  devices.reserved = 1;
  REFUSED(muster_vcpu_run(vm, 0, &devices, &exit, &error), MUSTER_INVALID_ARGUMENT,
          "muster_devices", "not 0");
  devices.reserved = 0;
  DONE(muster_vcpu_run(vm, 0, &devices, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_PORT && exit.as.port.port == 0x10);
  REFUSED(muster_vm_set_line(vm, 24, 1, &error), MUSTER_INVALID_ARGUMENT, "muster_vm_set_line",
          "line 24");
  REFUSED(muster_vm_add_vcpu(vm, 1, &error), MUSTER_ALREADY_EXISTS, "muster_vm_add_vcpu", "vCPU 1");
  REFUSED(muster_vm_add_vcpu(vm, 3, &error), MUSTER_INVALID_ARGUMENT, "vCPU 3", "0 to 2");
  REFUSED(muster_vcpu_run(vm, 2, NULL, &exit, &error), MUSTER_NOT_FOUND, "muster_vcpu_run",
          "vCPU 2");
  REFUSED(muster_vcpu_run(vm, 9, NULL, &exit, &error), MUSTER_INVALID_ARGUMENT, "vCPU 9", "0 to 2");
  REFUSED(muster_vcpu_run(vm, -1, NULL, &exit, &error), MUSTER_INVALID_ARGUMENT, "vCPU -1",
          "0 to 2");
  REFUSED(muster_vcpu_run(vm, 0, NULL, NULL, &error), MUSTER_INVALID_ARGUMENT, "muster_exit",
          "NULL");
  REFUSED(muster_vm_timer_expired(vm, 77, &error), MUSTER_INVALID_ARGUMENT, "vCPU 77", "0 to 2");
  REFUSED(muster_vm_remove_vcpu(vm, 0, &error), MUSTER_INVALID_ARGUMENT, "vCPU 0", "bootstrap");
  REFUSED(muster_vm_send_msi(vm, 0x1000, 0, &error), MUSTER_INVALID_ARGUMENT, "muster_vm_send_msi",
          "1000");
  muster_message message;
  memset(&message, 0, sizeof(message));
  message.delivery_mode = 3;
  REFUSED(muster_vm_send_message(vm, &message, &error), MUSTER_INVALID_ARGUMENT,
          "muster_vm_send_message", "delivery_mode");
  message.delivery_mode = MUSTER_DELIVER_FIXED;
  message.reserved[0] = 1;
  REFUSED(muster_vm_send_message(vm, &message, &error), MUSTER_INVALID_ARGUMENT,
          "muster_message.reserved", "not 0");
  REFUSED(muster_vm_send_message(vm, NULL, &error), MUSTER_INVALID_ARGUMENT, "muster_message",
          "NULL");
  REFUSED(muster_vm_add_memory(vm, 0x100000, ram, 4096, 0, &error), MUSTER_FAILED_PRECONDITION,
          "muster_vm_add_memory: guest memory at 0x100000", "before the first Run");
  REFUSED(muster_vm_note_memory(vm, 0x100000, ram, 4096, &error), MUSTER_FAILED_PRECONDITION,
          "muster_vm_note_memory: guest memory at 0x100000", "before the first Run");
  REFUSED(muster_vm_remove_vcpu(vm, 2, &error), MUSTER_NOT_FOUND, "muster_vm_remove_vcpu",
          "vCPU 2");
  REFUSED(muster_vcpu_hold(vm, 2, &error), MUSTER_NOT_FOUND, "muster_vcpu_hold", "vCPU 2");
  REFUSED(muster_vcpu_hold(vm, 3, &error), MUSTER_INVALID_ARGUMENT, "muster_vcpu_hold", "vCPU 3");
  REFUSED(muster_vcpu_let_go(vm, 3, &error), MUSTER_INVALID_ARGUMENT, "muster_vcpu_let_go",
          "vCPU 3");
  REFUSED(muster_vm_can_never_run_again(vm, NULL, &error), MUSTER_INVALID_ARGUMENT, "answer",
          "NULL");
  REFUSED(muster_vcpu_inspect(vm, 0, NULL, &error), MUSTER_INVALID_ARGUMENT, "muster_inspection",
          "NULL");
  muster_start start;
  muster_start_init(&start);
  REFUSED(muster_vm_set_start(vm, &start, &error), MUSTER_FAILED_PRECONDITION,
          "muster_vm_set_start: SetStart called after vCPU 0 has run", "StartAgain");
  REFUSED(muster_vcpu_start_again(vm, 1, &start, &error), MUSTER_INVALID_ARGUMENT, "vCPU 1",
          "bootstrap");
  REFUSED(muster_vcpu_start_again(vm, 0, NULL, &error), MUSTER_INVALID_ARGUMENT, "muster_start",
          "NULL");
  start.mode = 3;
  REFUSED(muster_vm_set_start(vm, &start, &error), MUSTER_INVALID_ARGUMENT, "muster_vm_set_start",
          "mode is 0 to 2");
  start.mode = MUSTER_START_LONG64;
  start.reserved = 1;
  REFUSED(muster_vcpu_start_again(vm, 0, &start, &error), MUSTER_INVALID_ARGUMENT, "muster_start",
          "reserved");
  /* vCPU 0 is in its caller's hands. */
  REFUSED(muster_vm_pause(vm, 1000000, &error), MUSTER_DEADLINE_EXCEEDED, "muster_vm_pause",
          "caller's hands");
  muster_inspection inspection;
  inspection.size = 0;
  REFUSED(muster_vcpu_inspect(vm, 0, &inspection, &error), MUSTER_INVALID_ARGUMENT, "size is 0",
          "muster_inspection");
  muster_inspection_init(&inspection);
  DONE(muster_vcpu_inspect(vm, 0, &inspection, &error));
  CHECK(inspection.state == MUSTER_STATE_RUNNING && inspection.rip != 0);
  /* Nobody is inside a run of these two: both stand. */
  DONE(muster_vm_stop(vm, &error));
  REFUSED(muster_vm_add_vcpu(vm, 2, &error), MUSTER_FAILED_PRECONDITION, "vCPU 2", "stopped");
  DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_STOPPED);
  DONE(muster_vm_destroy(vm, &error));
}

/* Every function that takes a handle says its own name. */
static void RefuseAll(muster_vm* vm, int32_t code, const char* why) {
  muster_exit exit;
  muster_start start;
  muster_message message;
  muster_inspection inspection;
  int32_t answer;
  muster_start_init(&start);
  memset(&message, 0, sizeof(message));
  muster_inspection_init(&inspection);
#define REFUSES(function, ...) REFUSED(function(vm, __VA_ARGS__), code, #function ": ", why)
  REFUSES(muster_vm_destroy, &error);
  REFUSES(muster_vm_add_memory, 0, ram, 4096, 0, &error);
  REFUSES(muster_vm_note_memory, 0, ram, 4096, &error);
  REFUSES(muster_vm_note_read_only_memory, 0, ram, 4096, &error);
  REFUSES(muster_vm_set_start, &start, &error);
  REFUSES(muster_vcpu_run, 0, NULL, &exit, &error);
  REFUSES(muster_vm_stop, &error);
  REFUSES(muster_vm_timer_expired, 0, &error);
  REFUSES(muster_vm_add_vcpu, 1, &error);
  REFUSES(muster_vm_remove_vcpu, 1, &error);
  REFUSES(muster_vm_set_line, 0, 1, &error);
  REFUSES(muster_vm_extint_raised, &error);
  REFUSES(muster_vm_send_msi, 0xfee00000, 0, &error);
  REFUSES(muster_vm_send_message, &message, &error);
  REFUSES(muster_vm_pause, 0, &error);
  REFUSES(muster_vm_resume, &error);
  REFUSES(muster_vcpu_hold, 0, &error);
  REFUSES(muster_vcpu_let_go, 0, &error);
  REFUSES(muster_vcpu_start_again, 0, &start, &error);
  REFUSES(muster_vcpu_inspect, 0, &inspection, &error);
  REFUSES(muster_vm_can_never_run_again, &answer, &error);
}

/* A run that is refused has done nothing, and said nothing in `exit`. */
static void RefusedRuns(void) {
  muster_vm* vm = Make(1, 2);
  muster_exit exit, before;
  muster_devices devices;
  memset(&before, 0xa5, sizeof(before));
  exit = before;
  muster_devices_init(&devices);
  --devices.size;
  REFUSED(muster_vcpu_run(vm, 0, &devices, &exit, &error), MUSTER_INVALID_ARGUMENT,
          "muster_devices", "size");
  REFUSED(muster_vcpu_run(vm, 2, NULL, &exit, &error), MUSTER_INVALID_ARGUMENT, "vCPU 2", "0 to 1");
  REFUSED(muster_vcpu_run(vm, 1, NULL, &exit, &error), MUSTER_NOT_FOUND, "vCPU 1", "not there");
  CHECK(memcmp(&exit, &before, sizeof(exit)) == 0);
  DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_PORT && exit.cpu == 0);
  DONE(muster_vm_destroy(vm, &error));
}

/* A handle of what is gone is recognized, also when another VM has its place. */
static void OfADestroyedVm(void) {
  muster_vm* gone = Make(1, 0);
  DONE(muster_vm_destroy(gone, &error));
  muster_vm* another = NULL;
  for (int round = 0; round < 2; ++round) {
    RefuseAll(gone, MUSTER_FAILED_PRECONDITION, "destroyed");
    if (round == 0) another = Make(1, 0); /* in the same place */
  }
  DONE(muster_vm_destroy(another, &error));
  RefuseAll(NULL, MUSTER_INVALID_ARGUMENT, "NULL");
}

static void* Spin(void* vm) {
  muster_exit exit;
  muster_vcpu_run(vm, 0, NULL, &exit, NULL);
  return NULL;
}

static void DestroyedWhileItRuns(void) {
  ram[kCode] = 0xeb;
  ram[kCode + 1] = 0xfe;
  muster_vm* vm = Make(1, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, Spin, vm);
  muster_inspection inspection;
  muster_inspection_init(&inspection);
  /* Until it stands in the middle of its loop, its thread awake. */
  do {
    DONE(muster_vm_resume(vm, &error));
    while (muster_vm_pause(vm, 10000000000, &error) != MUSTER_OK) {
    }
    DONE(muster_vcpu_inspect(vm, 0, &inspection, &error));
  } while (!inspection.registers_known);
  CHECK(inspection.rip == kCode);
  REFUSED(muster_vm_pause(vm, 0, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_pause", "already");
  muster_exit exit;
  REFUSED(muster_vcpu_run(vm, 0, NULL, &exit, &error), MUSTER_FAILED_PRECONDITION, "vCPU 0",
          "in use");
  REFUSED(muster_vcpu_hold(vm, 0, &error), MUSTER_FAILED_PRECONDITION, "vCPU 0", "in use");
  REFUSED(muster_vm_destroy(vm, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_destroy", "join");
  DONE(muster_vm_resume(vm, &error));
  DONE(muster_vm_resume(vm, &error));
  REFUSED(muster_vcpu_inspect(vm, 0, &inspection, &error), MUSTER_FAILED_PRECONDITION, "vCPU 0",
          "awake inside Run");
  DONE(muster_vm_stop(vm, &error));
  pthread_join(thread, NULL);
  DONE(muster_vm_destroy(vm, &error));
}

static muster_vm* held;
static int holds;

static void Hold(void* context) {
  (void)context;
  ++holds;
  REFUSED(muster_vm_resume(held, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_resume",
          "a pause begins");
  REFUSED(muster_vm_pause(held, 0, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_pause",
          "already");
}

/* Ending it once more does nothing. */
static void Proceed(void* context) {
  (void)context;
  --holds;
  DONE(muster_vm_resume(held, &error));
}

static void ResumedBeforeItIsPaused(void) {
  muster_config config = SmallConfig();
  config.clock.hold = Hold;
  config.clock.proceed = Proceed;
  held = SmallVm(&config, ram, MUSTER_START_PROTECTED32);
  pthread_t thread;
  pthread_create(&thread, NULL, Spin, held);
  for (int round = 0; round < 2; ++round) {
    while (muster_vm_pause(held, 10000000000, &error) != MUSTER_OK) {
    }
    CHECK(holds == 1);
    REFUSED(muster_vm_pause(held, 0, &error), MUSTER_FAILED_PRECONDITION, "muster_vm_pause",
            "already");
    DONE(muster_vm_resume(held, &error));
    CHECK(holds == 0);
  }
  DONE(muster_vm_stop(held, &error));
  pthread_join(thread, NULL);
  DONE(muster_vm_destroy(held, &error));
}

int main(void) {
  const uint8_t code[] = {0xe6, 0x10, 0xeb, 0xfc}; /* out 0x10; again */
  ram = SmallRam(code, sizeof(code));
  CHECK(muster_version() ==
        (MUSTER_VERSION_MAJOR << 16 | MUSTER_VERSION_MINOR << 8 | MUSTER_VERSION_PATCH));
  Arguments();
  OfALivingVm();
  OfAnEarlierVersion();
  OfNoVersion();
  OfALaterVersion();
  RefusedRuns();
  OfADestroyedVm();
  DestroyedWhileItRuns();
  ResumedBeforeItIsPaused();
  return 0;
}
