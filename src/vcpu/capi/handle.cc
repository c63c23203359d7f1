#include <fmt/format.h>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/capi/c_vm.h>
#include <muster/vcpu/capi/handle.h>

namespace muster::vcpu::capi {

struct Slot {
  // 63:48 the generation of the VM that is in, or next to be; 32 one is in; 31:0 calls inside.
  sync::Atomic<uint64_t> word{uint64_t{1} << 48};
  std::unique_ptr<CVm> vm;
  Slot* next = nullptr;  // free
};

namespace {

constexpr int kGenerationShift = 48;
constexpr uint64_t kAddress = (uint64_t{1} << kGenerationShift) - 1;
constexpr uint64_t kTaken = uint64_t{1} << 32;
constexpr uint64_t kCalls = kTaken - 1;

sync::Mutex slots_mutex;
Slot* free_slots ABSL_GUARDED_BY(slots_mutex) = nullptr;

Slot* SlotOf(const muster_vm* handle) {
  return reinterpret_cast<Slot*>(reinterpret_cast<uint64_t>(handle) & kAddress);
}

bool Names(const muster_vm* handle, uint64_t word) {
  return (word & kTaken) != 0 &&
         word >> kGenerationShift == reinterpret_cast<uint64_t>(handle) >> kGenerationShift;
}

absl::Status Gone(const muster_vm* handle) {
  return handle == nullptr
             ? absl::InvalidArgumentError("the handle is NULL")
             : absl::FailedPreconditionError("the VM of this handle has been destroyed");
}

}  // namespace

Held::Held(muster_vm* handle) : handle_(handle) {
  Slot* slot = SlotOf(handle);
  if (slot == nullptr) return;
  // Acquire, here and below: what the slot holds was put in before the release in NewHandle.
  uint64_t word = slot->word.Load(std::memory_order_acquire);
  while (Names(handle, word)) {
    if (slot->word.CompareExchange(word, word + 1, std::memory_order_acquire,
                                   std::memory_order_acquire)) {
      slot_ = slot;
      vm_ = slot->vm.get();
      return;
    }
  }
}

Held::~Held() {
  // Release: what this call did comes before the destruction.
  if (slot_ != nullptr) slot_->word.FetchSub(1, std::memory_order_release);
}

absl::Status Held::status() const { return vm_ != nullptr ? absl::OkStatus() : Gone(handle_); }

muster_vm* NewHandle(std::unique_ptr<CVm> vm) {
  Slot* slot;
  {
    sync::MutexLock lock(slots_mutex);
    slot = free_slots;
    if (slot != nullptr) free_slots = slot->next;
  }
  if (slot == nullptr) slot = new Slot;
  CVm* const inside = vm.get();
  slot->vm = std::move(vm);
  // Relaxed: whoever freed it did so before the mutex above.
  const uint64_t generation = slot->word.Load(std::memory_order_relaxed) >> kGenerationShift;
  auto* const handle = reinterpret_cast<muster_vm*>(reinterpret_cast<uint64_t>(slot) |
                                                    generation << kGenerationShift);
  inside->handle = handle;
  slot->word.Store(generation << kGenerationShift | kTaken, std::memory_order_release);
  return handle;
}

absl::Status Destroy(muster_vm* handle) {
  Slot* slot = SlotOf(handle);
  if (slot == nullptr) return Gone(handle);
  uint64_t word = slot->word.Load(std::memory_order_acquire);
  do {
    if (!Names(handle, word)) return Gone(handle);
    if ((word & kCalls) != 0) {
      return absl::FailedPreconditionError(fmt::format(
          "calls have not returned yet that were made with this handle: {}; stop the VM "
          "and join its threads first",
          word & kCalls));
    }
    uint64_t next = (word >> kGenerationShift) + 1;
    if (next > UINT16_MAX) next = 1;  // never 0: a handle is no address that could be used
    next <<= kGenerationShift;
    if (slot->word.CompareExchange(word, next, std::memory_order_acq_rel,
                                   std::memory_order_acquire)) {
      break;
    }
  } while (true);
  slot->vm.reset();
  sync::MutexLock lock(slots_mutex);
  slot->next = free_slots;
  free_slots = slot;
  return absl::OkStatus();
}

}  // namespace muster::vcpu::capi
