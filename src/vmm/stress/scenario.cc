#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/load/image_file.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {
namespace {

constexpr const char* kScriptSuffix = ".script";

std::string Directory() { return GuestDirectory() + "/scenarios"; }

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  return std::string(bytes->begin(), bytes->end());
}

}  // namespace

absl::StatusOr<Scenario> LoadScenario(const std::string& id, const std::string& image,
                                      const std::string& script, const std::string& signature) {
  Scenario scenario;
  scenario.id = id;
  scenario.image_name = image;
  const auto text = ReadText(script);
  if (!text.ok()) return text.status();
  auto parsed = ParseScript(script, *text);
  if (!parsed.ok()) return parsed.status();
  scenario.script = *std::move(parsed);

  auto bytes = ReadFile(image);
  if (!bytes.ok()) return bytes.status();
  scenario.image = *std::move(bytes);
  scenario.symbols = ReadSymbols(scenario.bytes());
  scenario.variables = Variables::Read(scenario.bytes());

  if (signature.empty()) return scenario;
  const auto lines = ReadText(signature);
  if (!lines.ok()) return lines.status();
  auto predicate = Signature::Parse(signature, *lines);
  if (!predicate.ok()) return predicate.status();
  if (absl::Status status = predicate->CheckAgainst(scenario.variables); !status.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}, in {}", std::string(status.message()), image));
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
    return absl::NotFoundError(
        ids.empty()
            ? fmt::format("there are no scenarios in {}", Directory())
            : fmt::format("there is no scenario '{}'; there are: {}", id, fmt::join(ids, ", ")));
  }
  const std::string base = Directory() + "/" + id;
  return LoadScenario(id, base, base + kScriptSuffix, base + ".signature");
}

}  // namespace muster::vmm
