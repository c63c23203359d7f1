#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include <muster/apic/effects.h>
#include <muster/apic/identity.h>
#include <muster/apic/lapic_regs.h>
#include <muster/apic/lapic_timer.h>
#include <muster/apic/message.h>
#include <muster/apic/vector_set.h>

namespace muster::apic {

/// What CPUID says about this processor.
struct LapicConfig {
  uint32_t id = 0;
  bool bootstrap = false;
  bool x2apic = true;
  bool tsc_deadline = false;
  uint8_t physical_address_bits = 36;  ///< MAXPHYADDR; more than 52 is 52

  bool operator==(const LapicConfig&) const = default;
};

/// Totals since construction; no reset clears them.
struct LapicCounters {
  uint64_t accepted = 0;         ///< fixed interrupts that set a bit of the IRR
  uint64_t merged = 0;           ///< fixed interrupts whose bit was set already
  uint64_t discarded = 0;        ///< fixed interrupts that came while the APIC was disabled
  uint64_t illegal_vectors = 0;  ///< fixed interrupts, sent or received, with vectors below 16
  uint64_t unsent_ipis = 0;      ///< ICR writes with a combination that the manual calls invalid
  uint64_t smis = 0;             ///< system management interrupts of the LVT: there is no SMM
  uint64_t merged_periods = 0;  ///< timer periods that ended before anyone looked, but for the last
  uint64_t odd_accesses = 0;    ///< stores to the page that are not 32 bits at a 16-byte boundary

  bool operator==(const LapicCounters&) const = default;
};

/// The local APIC of one processor: no clock, no thread, no other APIC. What it wants done comes
/// back as Effects. A copy is a snapshot.
///
/// The caller accepts waiting mail before it lets a write to SVR, IA32_APIC_BASE or an LVT entry
/// in; whatever reaches Accept() later finds the APIC as that write left it.
///
/// No argument is beyond it: what names nothing changes nothing, and each function says so.
class Lapic {
 public:
  /// As after power-on.
  explicit Lapic(const LapicConfig& config);

  // --- Resets ---------------------------------------------------------------------------------

  /// SDM, "Local APIC State After Power-Up or Reset".
  void PowerOn();
  /// SDM, "Local APIC State After an INIT Reset": all but the id and IA32_APIC_BASE.
  void Init();
  /// As firmware leaves it: on the bootstrap processor software-enabled, LINT0 an unmasked ExtINT,
  /// LINT1 an unmasked NMI; elsewhere as after INIT. In x2APIC mode if wanted and present.
  void AsFirmwareLeaves(bool x2apic);

  // --- Registers ------------------------------------------------------------------------------

  /// An access of any size and alignment at `offset` in the page. The manual asks for 32 bits at a
  /// 16-byte boundary and leaves all else undefined (SDM, "Local APIC Register Address Map"). Here
  /// a load gives the bytes of the register, and zero for the 12 behind it; any other store has no
  /// effect. Registers that do not exist read zero, ignore stores, and set an error in the ESR.
  /// Where there is no page (other modes than xAPIC), loads give ones and stores have no effect.
  void MmioRead(uint32_t offset, std::span<uint8_t> data, const Now& now);
  /// A store in the page: see MmioRead().
  Effects MmioWrite(uint32_t offset, std::span<const uint8_t> data, const Now& now);

  /// MSRs 0x800 to 0x8ff, IA32_APIC_BASE and IA32_TSC_DEADLINE. Nothing is #GP(0), and then nothing
  /// has changed.
  std::optional<uint64_t> MsrRead(uint32_t msr, const Now& now);
  /// A WRMSR: see MsrRead().
  std::optional<Effects> MsrWrite(uint32_t msr, uint64_t value, const Now& now);

  // --- Interrupts -----------------------------------------------------------------------------

  /// What became of an interrupt.
  enum class Accepted : uint8_t {
    kNew,
    kMerged,     ///< one was waiting: the two are one now
    kDiscarded,  ///< disabled, or an illegal vector. An I/O APIC wants to know of level mail
  };
  /// A fixed or lowest-priority interrupt for this APIC arrives.
  Accepted Accept(uint8_t vector, TriggerMode trigger_mode);

  /// The vector to inject next, if its class is above that of the processor priority.
  std::optional<uint8_t> Deliverable() const {
    const std::optional<uint8_t> highest = irr_.Highest();
    if (!highest || (*highest >> 4) <= (ppr() >> 4)) return std::nullopt;
    return highest;
  }
  /// Whether any vector waits, masked by priority or not.
  bool AnyPending() const { return !irr_.Empty(); }
  /// `vector`, from Deliverable(), has been injected: it moves from the IRR to the ISR. False, and
  /// nothing has changed: Deliverable() is another, or none.
  bool Acknowledge(uint8_t vector);

  /// A local source signals: LINT0, LINT1, thermal, PMC. With any other register nothing happens.
  Effects RaiseLvt(LapicReg lvt);
  /// Whether the wire of the 8259 reaches the processor: through an unmasked LINT0 in ExtINT mode,
  /// or past a disabled APIC (SDM, "Enabling or Disabling the Local APIC").
  bool AcceptsExtInt() const;

  // --- Timer ----------------------------------------------------------------------------------

  /// A deadline that was armed has come, perhaps a stale one: expires what is due. The caller arms
  /// NextDeadline() again.
  Effects TimerExpired(const Now& now);
  /// None while the timer is stopped, or masked (a masked expiry leaves no trace).
  std::optional<Deadline> NextDeadline() const;

  // --- State ----------------------------------------------------------------------------------

  /// What decides whether a message is for this APIC.
  Identity identity() const;
  /// By IA32_APIC_BASE.
  ApicMode mode() const;
  /// IA32_APIC_BASE.EN.
  bool enabled() const { return mode() != ApicMode::kDisabled; }
  /// SVR[8].
  bool software_enabled() const { return svr_.Get<Svr::Enable>(); }
  /// IA32_APIC_BASE, all of it.
  uint64_t apic_base() const { return apic_base_.raw; }
  /// The physical address of the register page; none where it is not decoded.
  std::optional<uint64_t> MmioPage() const;

  /// The task priority register.
  uint8_t tpr() const { return tpr_; }
  /// CR8 is TPR[7:4]; writing it clears TPR[3:0] (SDM, "Interaction of Task Priorities between CR8
  /// and APIC").
  uint8_t cr8() const { return static_cast<uint8_t>(tpr_ >> 4); }
  /// Bits 7:4 of the value are not there.
  void SetCr8(uint8_t cr8) { tpr_ = static_cast<uint8_t>(cr8 << 4); }
  /// The higher class of TPR and ISR, with TPR[3:0] where that is TPR's (SDM, "Task and Processor
  /// Priorities"): as numbers, their maximum.
  uint8_t ppr() const {
    return std::max(tpr_, static_cast<uint8_t>(isr_.Highest().value_or(0) & 0xf0));
  }
  /// SDM, "Arbitration Priority Register".
  uint8_t apr() const;

  /// Vectors that wait.
  const VectorSet& irr() const { return irr_; }
  /// Vectors in service.
  const VectorSet& isr() const { return isr_; }
  /// Of each vector, whether the last interrupt that came was a level.
  const VectorSet& tmr() const { return tmr_; }
  /// The entry of the local vector table. For a register that is none: as after reset, masked.
  Lvt lvt(LapicReg reg) const { return IsLvt(reg) ? lvts_[LvtIndex(reg)] : Lvt(Lvt::kReset); }
  /// Totals since construction.
  const LapicCounters& counters() const { return counters_; }

  /// The first broken invariant in words, or nullptr. For tests and debug builds.
  const char* CheckInvariants() const;

  bool operator==(const Lapic&) const = default;

 private:
  static constexpr unsigned LvtIndex(LapicReg reg) {
    return static_cast<unsigned>(reg) - static_cast<unsigned>(LapicReg::kLvtTimer);
  }
  Lvt& lvt_ref(LapicReg reg) { return lvts_[LvtIndex(reg)]; }

  /// What Effects compares, as it was before a change.
  struct Observed {
    Identity identity;
    std::optional<Deadline> deadline;
    std::optional<uint64_t> page;
    bool extint;
  };
  Observed Observe() const { return {identity(), NextDeadline(), MmioPage(), AcceptsExtInt()}; }
  void Compare(const Observed& before, Effects& effects) const;

  void ResetRegisters();

  /// Registers as the page shows them, and the MSRs but for the ICR. None: there is no such
  /// register.
  std::optional<uint32_t> ReadRegister(LapicReg reg, const Now& now) const;
  /// Stores the bits that can be written and does what the register does. False: there is no such
  /// register.
  bool WriteRegister(LapicReg reg, uint32_t value, const Now& now, Effects& effects);
  void WriteSvr(uint32_t value);
  void WriteLvt(LapicReg reg, uint32_t value);
  bool IsLegalApicBase(ApicBase value) const;
  void WriteApicBase(ApicBase value);

  void SendIpi(Effects& effects);
  void SendSelfIpi(uint8_t vector);
  void EndOfInterrupt(Effects& effects);
  void ReportError(uint64_t esr_bits);
  /// Lets the timer expire if it is due.
  void AdvanceTimer(const Now& now);

  LapicConfig config_;
  ApicBase apic_base_;
  uint8_t tpr_ = 0;
  VectorSet irr_;
  VectorSet isr_;
  VectorSet tmr_;
  uint32_t ldr_ = 0;  ///< as xAPIC mode has it
  uint32_t dfr_ = ~0u;
  Svr svr_;
  Esr esr_;          ///< as read
  Esr esr_pending_;  ///< since the last write of the ESR
  bool error_armed_ = true;
  Icr icr_;
  std::array<Lvt, kLvtCount> lvts_;
  LapicTimer timer_;
  LapicCounters counters_;
};

}  // namespace muster::apic
