#pragma once

#include <cstdint>

#include <muster/apic/message.h>

namespace muster::apic {

/// The two enables of IA32_APIC_BASE. kDisabled is EN = 0.
enum class ApicMode : uint8_t { kDisabled, kXapic, kX2apic };

/// DFR[31:28]: how an xAPIC reads a logical destination. Other values address nobody but by
/// broadcast.
enum class LogicalModel : uint8_t { kCluster = 0, kFlat = 0xf };

/// All that decides whether a message is meant for an APIC. Small, so that its owner can publish
/// it.
struct Identity {
  uint32_t id = 0;
  /// As the register reads: the logical id in bits 31:24 in xAPIC mode, 32 bits in x2APIC mode.
  uint32_t ldr = 0;
  LogicalModel model = LogicalModel::kFlat;
  ApicMode mode = ApicMode::kXapic;
  /// SVR[8]. Fixed and lowest-priority messages are for enabled APICs only; the others are not.
  bool software_enabled = false;
  /// What is wired to LINT0 has an effect: the entry is not masked, or the APIC is disabled and the
  /// pin is INTR.
  bool wired = false;

  bool operator==(const Identity&) const = default;
};

/// The logical id that the hardware derives (SDM, "Deriving Logical x2APIC ID from the Local
/// x2APIC ID").
constexpr uint32_t LogicalX2ApicId(uint32_t id) { return (id >> 4) << 16 | 1u << (id & 0xf); }

/// Whether the destination of `message` names this APIC (SDM, "Determining IPI Destination"). The
/// delivery mode, the shorthand and software_enabled have no say in it.
///
/// An APIC in xAPIC mode knows the low 8 bits of its id only: id 300 answers to 44. The manual
/// leaves open what 32-bit destinations past 8 bits mean to it: they name it only as a broadcast.
bool Addresses(const Message& message, const Identity& identity);

}  // namespace muster::apic
