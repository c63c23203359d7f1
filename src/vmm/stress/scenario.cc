#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/near_miss.h>
#include <muster/vmm/load/image_file.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {
namespace {

constexpr const char* kScriptSuffix = ".script";

// A gate that is nowhere would never come, and a hold that waits for it could only look as if it
// had been prevented. What GATE names is a string in the image, with a 0 behind it.
absl::Status CheckGates(const Script& script, const std::string& file,
                        const std::vector<uint8_t>& image) {
  for (const Variant& variant : script.variants) {
    for (const Hold& hold : variant.holds) {
      std::vector<GateVisit> visits = hold.until;
      visits.push_back(hold.at);
      for (const GateVisit& visit : visits) {
        const char* const name = visit.gate.c_str();
        if (std::search(image.begin(), image.end(), name, name + visit.gate.size() + 1) ==
            image.end()) {
          return absl::InvalidArgumentError(
              fmt::format("{}:{}: there is no gate '{}'", file, hold.line, visit.gate));
        }
      }
    }
  }
  return absl::OkStatus();
}

std::string Directory() { return GuestDirectory() + "/scenarios"; }

}  // namespace

absl::StatusOr<NamedText> ReadText(const std::string& path) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  return NamedText{path, std::string(bytes->begin(), bytes->end())};
}

absl::StatusOr<Scenario> MakeScenario(const std::string& id, const std::string& image,
                                      const NamedText& script,
                                      const std::optional<NamedText>& signature) {
  Scenario scenario;
  scenario.id = id;
  scenario.image_name = image;
  auto parsed = ParseScript(script.name, script.text);
  if (!parsed.ok()) return parsed.status();
  scenario.script = *std::move(parsed);

  auto bytes = ReadFile(image);
  if (!bytes.ok()) return bytes.status();
  scenario.image = *std::move(bytes);
  scenario.symbols = ReadSymbols(scenario.bytes());
  scenario.variables = Variables::Read(scenario.bytes());

  const auto in_image = [&image](const absl::Status& status) {
    return absl::InvalidArgumentError(
        fmt::format("{}, in {}", std::string(status.message()), image));
  };
  if (absl::Status status = CheckGates(scenario.script, script.name, scenario.image);
      !status.ok()) {
    return in_image(status);
  }

  if (!signature) return scenario;
  auto predicate = Signature::Parse(signature->name, signature->text);
  if (!predicate.ok()) return predicate.status();
  if (absl::Status status =
          predicate->CheckAgainst(scenario.variables, scenario.symbols, scenario.script.cpus);
      !status.ok()) {
    return in_image(status);
  }
  scenario.signature = *std::move(predicate);
  return scenario;
}

std::vector<std::string> InstalledScenarios() {
  std::vector<std::string> ids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(Directory(), error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == kScriptSuffix) ids.push_back(path.stem().string());
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<Scenario> LoadInstalledScenario(const std::string& id) {
  const std::vector<std::string> ids = InstalledScenarios();
  if (std::count(ids.begin(), ids.end(), id) == 0) {
    return absl::NotFoundError(ids.empty()
                                   ? fmt::format("there are no scenarios in {}", Directory())
                                   : fmt::format("there is no scenario '{}'{}; there are: {}", id,
                                                 ButIs(id, ids), fmt::join(ids, ", ")));
  }
  const std::string base = Directory() + "/" + id;
  const auto script = ReadText(base + kScriptSuffix);
  if (!script.ok()) return script.status();
  const auto signature = ReadText(base + ".signature");
  if (!signature.ok()) return signature.status();
  return MakeScenario(id, base, *script, *signature);
}

}  // namespace muster::vmm
