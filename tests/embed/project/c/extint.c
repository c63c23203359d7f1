/* An 8259 in C: its wire wakes a halted vCPU, which takes the vector that the acknowledge cycle
 * gives, also that of a request which has gone. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "small_vm.h"

enum { kRounds = 200, kVector = 0x40, kSpurious = 0x47 };

struct Board {
  muster_vm* vm;
  atomic_int wire;        /* INTR */
  atomic_int falls_early; /* the request goes as soon as somebody has seen it */
  atomic_int ready;       /* the guest has said so */
  atomic_int taken;       /* vectors that its handlers have said */
  atomic_int last_vector;
  atomic_int acknowledged;
};

static int32_t Asserted(void* context) {
  struct Board* board = context;
  return board->falls_early ? atomic_exchange(&board->wire, 0) : board->wire;
}

static uint8_t Acknowledge(void* context, int32_t cpu) {
  struct Board* board = context;
  muster_error error;
  CHECK(cpu == 0);
  ++board->acknowledged;
  /* As the table says: lines and interrupts, and nothing that waits. */
  DONE(muster_vm_set_line(board->vm, 3, 1, &error));
  DONE(muster_vm_set_line(board->vm, 3, 0, &error));
  DONE(muster_vm_extint_raised(board->vm, &error));
  CHECK(muster_vm_pause(board->vm, 0, &error) == MUSTER_FAILED_PRECONDITION);
  muster_message init;
  memset(&init, 0, sizeof(init));
  init.delivery_mode = MUSTER_DELIVER_INIT;
  CHECK(muster_vm_send_message(board->vm, &init, &error) == MUSTER_FAILED_PRECONDITION);
  return atomic_exchange(&board->wire, 0) ? kVector : kSpurious;
}

static int32_t Port(void* context, muster_vm* vm, int32_t cpu, const muster_port* exit) {
  struct Board* board = context;
  (void)vm;
  (void)cpu;
  if (exit->port == 0x10) board->ready = 1;
  if (exit->port == 0x30) {
    board->last_vector = *exit->data;
    ++board->taken;
  }
  return MUSTER_GO_ON;
}

static void* Run(void* context) {
  struct Board* board = context;
  muster_devices devices;
  muster_devices_init(&devices);
  devices.context = board;
  devices.port = Port;
  muster_exit why;
  DONE(muster_vcpu_run(board->vm, 0, &devices, &why, &error));
  CHECK(why.kind == MUSTER_EXIT_STOPPED);
  return NULL;
}

/* Until the guest has said so many vectors, and is in HLT again. */
static void AwaitRest(struct Board* board, int taken) {
  int32_t asleep = 0;
  while (board->taken < taken || !asleep) {
    DONE(muster_vm_can_never_run_again(board->vm, &asleep, &error));
    sched_yield();
  }
  CHECK(board->taken == taken);
}

static void Raise(struct Board* board) {
  board->wire = 1;
  DONE(muster_vm_extint_raised(board->vm, &error));
}

/* Puts at `gpa` a handler that says `vector`: mov al, vector; out 0x30, al; iret. */
static void PutHandler(uint8_t* ram, uint8_t vector, uint16_t gpa) {
  const uint8_t code[] = {0xb0, vector, 0xe6, 0x30, 0xcf};
  const uint16_t entry[] = {gpa, 0};
  memcpy(ram + gpa, code, sizeof(code));
  memcpy(ram + 4 * vector, entry, sizeof(entry));
}

int main(void) {
  static struct Board board;
  const uint8_t code[] = {0xfb, 0xe6, 0x10, 0xf4, 0xeb, 0xfd}; /* sti; out 0x10; hlt, and again */
  uint8_t* ram = SmallRam(code, sizeof(code));
  PutHandler(ram, kVector, 0x2000);
  PutHandler(ram, kSpurious, 0x3000);

  muster_config config = SmallConfig();
  config.extint.context = &board;
  config.extint.asserted = Asserted;
  config.extint.acknowledge = Acknowledge;
  board.vm = SmallVm(&config, ram, MUSTER_START_REAL);
  pthread_t thread;
  pthread_create(&thread, NULL, Run, &board);
  while (!board.ready) sched_yield();
  AwaitRest(&board, 0);
  for (int round = 1; round <= kRounds; ++round) {
    Raise(&board);
    AwaitRest(&board, round);
    CHECK(board.last_vector == kVector);
  }
  board.falls_early = 1;
  Raise(&board);
  AwaitRest(&board, kRounds + 1);
  CHECK(board.last_vector == kSpurious);
  CHECK(board.acknowledged == kRounds + 1);
  DONE(muster_vm_stop(board.vm, &error));
  pthread_join(thread, NULL);
  DONE(muster_vm_destroy(board.vm, &error));
  return 0;
}
