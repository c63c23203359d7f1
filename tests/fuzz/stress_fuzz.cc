// Feeds text to the readers of scripts and signatures, and signatures that are right to the end of
// a run.
#include <cstdint>
#include <string>

#include <muster/vmm/load/image_file.h>
#include <muster/vmm/stress/script.h>
#include <muster/vmm/stress/signature.h>

#include "fuzz_input.h"

// What signatures find in the DWARF of this very program.
extern "C" {
struct Node {
  struct Node* next;
  int32_t refs[3];
  union {
    uint8_t byte;
    uint64_t word;
  };
};
[[gnu::used]] Node nodes[4];
[[gnu::used]] uint32_t total;
}

namespace muster::vmm {
namespace {

using testing::Require;

void CheckError(const absl::Status& status) {
  const std::string message(status.message());
  if (!message.starts_with("f:")) Require("an error that does not begin with the file");
  for (const char c : message) {
    if (c < ' ' || c > '~') Require("an error with what does not print");
  }
}

void CheckScript(const Script& script) {
  if (script.cpus < 1 || script.variants.empty()) Require("a script without CPUs or variants");
  for (const Variant& variant : script.variants) {
    if (script.Find(variant.name) != &variant) Require("a variant that is not found");
    for (const Hold& hold : variant.holds) {
      if (hold.until.empty()) Require("a hold that waits for nobody");
      for (const GateVisit& visit : hold.until) {
        if (visit.cpu < 0 || visit.cpu >= script.cpus) Require("a CPU that there is not");
        if (visit.cpu == hold.at.cpu) Require("a hold that waits for itself");
      }
    }
  }
}

struct Guest {
  Guest() {
    if (const auto self = ReadFile("/proc/self/exe"); self.ok()) {
      variables = Variables::Read(ImageBytes("self", *self));
    }
    if (variables.empty()) Require("this program has no DWARF");
    state.memory = &*memory;
    state.symbols = &symbols;
    state.variables = &variables;
    vcpu::Inspection cpu;
    cpu.cpu = 0;
    cpu.registers_known = true;
    cpu.irr = {0x40};
    state.vcpus = {cpu};
    state.waits[0] = DeclaredWait{.address = 16, .size = 4};
  }

  absl::StatusOr<GuestMemory> memory = GuestMemory::Create(uint64_t{16} << 20);
  SymbolTable symbols;
  Variables variables;
  FinalState state;
};

}  // namespace
}  // namespace muster::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::vmm;
  static const Guest guest;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto script = ParseScript("f", text); script.ok()) {
    CheckScript(*script);
  } else {
    CheckError(script.status());
  }
  if (const auto signature = Signature::Parse("f", text); signature.ok()) {
    const std::string miss = signature->FirstMiss(guest.state);
    if (miss.empty() != signature->Matches(guest.state)) Require("a match that has a miss");
    (void)signature->CheckAgainst(guest.variables, *guest.state.symbols, 2);
  } else {
    CheckError(signature.status());
  }
  return 0;
}
