#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/vmm/load/image_bytes.h>
#include <muster/vmm/load/symbols.h>
#include <muster/vmm/load/variables.h>
#include <muster/vmm/stress/script.h>
#include <muster/vmm/stress/signature.h>

namespace muster::vmm {

// A guest, the interleaving that it is put through, and what to look for afterwards.
struct Scenario {
  std::string id;
  std::string image_name;
  std::vector<uint8_t> image;
  Script script;
  std::optional<Signature> signature;
  SymbolTable symbols;
  Variables variables;

  ImageBytes bytes() const { return ImageBytes(image_name, image); }
};

// A file that has been read.
struct NamedText {
  std::string name;
  std::string text;
};
absl::StatusOr<NamedText> ReadText(const std::string& path);

// An error names the file, and the line where it has one.
absl::StatusOr<Scenario> MakeScenario(const std::string& id, const std::string& image,
                                      const NamedText& script,
                                      const std::optional<NamedText>& signature);

// The ids of the scenarios that come with this program, sorted: each is the files ID, ID.script and
// ID.signature in the folder `scenarios` among the guests.
std::vector<std::string> InstalledScenarios();
absl::StatusOr<Scenario> LoadInstalledScenario(const std::string& id);

}  // namespace muster::vmm
