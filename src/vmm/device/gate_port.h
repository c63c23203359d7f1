#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <muster/vcpu/run/inspection.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// What a vCPU says it waits for: guest/runtime/wait.h.
struct DeclaredWait {
  enum class Relation : uint32_t { kEqual, kAtLeast, kDiffers, kBitsClear };

  uint64_t address = 0;  // of the word, guest-linear
  uint64_t wanted = 0;
  uint64_t site = 0;  // of the code that waits
  Relation relation = Relation::kEqual;
  uint16_t size = 4;   // of the word, bytes
  bool halts = false;  // asleep; else it spins, and says so again and again

  bool operator==(const DeclaredWait&) const = default;
};

// Who decides over the vCPUs that come to gates. Called on the vCPUs' threads, several at once.
class GateKeeper {
 public:
  virtual ~GateKeeper() = default;

  // The vCPU, which is as `at` says, stands at `gate`, and is held from its next entry on until
  // Machine::LetGo is called for it.
  virtual void Arrived(const vcpu::Inspection& at, const std::string& gate) = 0;

  // What vCPU `cpu` waits for now; nothing: a wait is over.
  virtual void Waits(int cpu, const std::optional<DeclaredWait>& wait) = 0;

  // The guest has written something to the ports that it should not.
  virtual void Misused(int cpu, const std::string& how) = 0;

  // All vCPUs have fallen asleep; those that are held are.
  virtual void AllAsleep() = 0;
};

// The two 32-bit ports of guest/runtime/gate.h, and what guest memory has where a value of theirs
// points to.
struct GatePort {
  static constexpr uint16_t kGate = 0x5e0;
  static constexpr uint16_t kWait = 0x5e4;
  static constexpr uint16_t kPorts = 8;
  static constexpr uint32_t kMagic = 0x65746147;  // "Gate": there is a keeper
  static constexpr size_t kLongestName = 40;

  // Nothing where there is no name of lower-case letters, digits and '-'.
  static std::optional<std::string> ReadName(const GuestMemory& memory,
                                             const vcpu::Inspection& vcpu, uint64_t address);
  static std::optional<DeclaredWait> ReadWait(const GuestMemory& memory,
                                              const vcpu::Inspection& vcpu, uint64_t address);
  // Whether a gate may have that name.
  static bool IsName(const std::string& name);
};

}  // namespace muster::vmm
