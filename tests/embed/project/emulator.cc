// The APIC alone: a machine with two CPUs of which an interpreter executes the instructions, and
// the time is the count of them. CPU 0 has a periodic timer, and at each tick sends CPU 1 an IPI.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include <muster/apic/ioapic.h>
#include <muster/apic/lapic.h>

using namespace muster::apic;

namespace {

// Of a toy processor: what a real one's decoder would find.
enum class Op : uint8_t { kStore, kHalt, kJump, kCount };
struct Instruction {
  Op op;
  uint32_t address = 0;  // kStore: in the APIC's page; kJump: to
  uint32_t value = 0;
};

constexpr uint8_t kTick = 0x40, kCall = 0x50;
constexpr uint32_t kNsPerInstruction = 500;

struct Processor {
  explicit Processor(uint32_t id)
      : lapic({.id = id, .bootstrap = id == 0, .physical_address_bits = 40}) {}

  Lapic lapic;
  std::vector<Instruction> program;
  uint32_t next = 0;
  bool halted = false;
  std::array<std::optional<uint32_t>, 256> handlers;
  std::vector<uint32_t> returns;
  uint32_t counted = 0;
};

class Machine {
 public:
  Machine() : cpus_{Processor(0), Processor(1)} {}

  Processor& cpu(size_t number) { return cpus_[number]; }
  uint64_t instructions() const { return now_.ns / kNsPerInstruction; }

  // One instruction of each.
  void Step() {
    now_.ns += kNsPerInstruction;
    for (Processor& processor : cpus_) {
      const auto deadline = processor.lapic.NextDeadline();
      if (deadline && deadline->value <= now_.ns) {
        Perform(processor, processor.lapic.TimerExpired(now_));
      }
      Interrupt(processor);
      if (!processor.halted) Execute(processor);
    }
  }

 private:
  void Interrupt(Processor& processor) {
    const std::optional<uint8_t> vector = processor.lapic.Deliverable();
    if (!vector || !processor.returns.empty()) return;  // one at a time here
    processor.lapic.Acknowledge(*vector);
    processor.halted = false;
    processor.returns.push_back(processor.next);
    processor.next = processor.handlers[*vector].value();
  }

  void Execute(Processor& processor) {
    const Instruction& instruction = processor.program.at(processor.next++);
    switch (instruction.op) {
      case Op::kStore: {
        const uint32_t value = instruction.value;
        const std::array<uint8_t, 4> bytes = {
            static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8),
            static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 24)};
        Perform(processor, processor.lapic.MmioWrite(instruction.address, bytes, now_));
        if (instruction.address == MmioOffset(LapicReg::kEoi)) {
          processor.next = processor.returns.back();
          processor.returns.pop_back();
        }
        break;
      }
      case Op::kHalt:
        processor.halted = true;
        break;
      case Op::kJump:
        processor.next = instruction.address;
        break;
      case Op::kCount:
        ++processor.counted;
        break;
    }
  }

  // What an access of an APIC wants done.
  void Perform(Processor&, const Effects& effects) {
    if (!effects.ipi) return;
    for (Processor& target : cpus_) {
      if (Addresses(effects.ipi->message, target.lapic.identity())) {
        target.lapic.Accept(effects.ipi->message.vector, effects.ipi->message.trigger_mode);
      }
    }
  }

  std::array<Processor, 2> cpus_;
  Now now_;
};

Instruction Store(LapicReg reg, uint32_t value) { return {Op::kStore, MmioOffset(reg), value}; }

}  // namespace

int main() {
  Machine machine;
  constexpr uint32_t kHandler = 8;
  machine.cpu(0).program = {
      Store(LapicReg::kSvr, 0x1ff),
      Store(LapicReg::kDivideConfiguration, 0xb),    // by 1: a count is a nanosecond
      Store(LapicReg::kLvtTimer, 1u << 17 | kTick),  // periodic
      Store(LapicReg::kInitialCount, 50'000),
      {Op::kHalt},
      {Op::kJump, 4},
      {Op::kHalt},
      {Op::kHalt},
      {Op::kCount},
      Store(LapicReg::kIcrHigh, 1u << 24),
      Store(LapicReg::kIcrLow, 1u << 14 | kCall),
      Store(LapicReg::kEoi, 0),
  };
  machine.cpu(0).handlers[kTick] = kHandler;
  machine.cpu(1).program = {Store(LapicReg::kSvr, 0x1ff),
                            {Op::kHalt},
                            {Op::kJump, 1},
                            {Op::kHalt},
                            {Op::kHalt},
                            {Op::kHalt},
                            {Op::kHalt},
                            {Op::kHalt},
                            {Op::kCount},
                            Store(LapicReg::kEoi, 0)};
  machine.cpu(1).handlers[kCall] = kHandler;

  while (machine.cpu(1).counted < 1000) {
    machine.Step();
    if (machine.instructions() > 1'000'000) return 1;
  }
  std::printf("%u ticks, %u calls in %lu instructions\n", machine.cpu(0).counted,
              machine.cpu(1).counted, static_cast<unsigned long>(machine.instructions()));
  // 1,000 periods of 100 instructions, and the first four.
  return machine.cpu(0).counted == 1000 && machine.instructions() < 100'100 ? 0 : 1;
}
