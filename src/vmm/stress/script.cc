#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/device/gate_port.h>
#include <muster/vmm/stress/script.h>
#include <muster/vmm/stress/text_lines.h>

namespace muster::vmm {
namespace {

constexpr int kMostCpus = 64;
constexpr int kMostVisits = 1'000'000;
constexpr const char* kHoldForm =
    "hold cpu N at GATE [#VISIT] until cpu N at GATE [#VISIT] [and cpu N at GATE ...]";

std::optional<int> ToNumber(const std::string& word, int least, int most) {
  int value = 0;
  const char* const end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || stopped != end || value < least || value > most) return std::nullopt;
  return value;
}

// Reads words one after another; the line's end is the word "".
class Words {
 public:
  Words(const TextLine& line, size_t first) : line_(line), next_(first) {}

  std::string Take() { return next_ < line_.words.size() ? line_.words[next_++] : ""; }
  const std::string& Peek() const {
    static const std::string kEnd;
    return next_ < line_.words.size() ? line_.words[next_] : kEnd;
  }
  absl::Status Expect(const char* word) {
    const std::string found = Take();
    if (found == word) return absl::OkStatus();
    return line_.Refuse(fmt::format("'{}' is missing before '{}'; the form is: {}", word,
                                    found.empty() ? "the end of the line" : found, kHoldForm));
  }

 private:
  const TextLine& line_;
  size_t next_;
};

class Parser {
 public:
  absl::Status Take(const TextLine& line) {
    const std::string& first = line.words.front();
    if (first == "cpus") return TakeCpus(line);
    if (script_.cpus == 0) return line.Refuse("a script begins with `cpus N`");
    if (first == "variant") return TakeVariant(line);
    if (first == "in") return TakeIn(line);
    if (first == "hold") return TakeHold(line, 0, {});
    return line.Refuse(fmt::format("'{}' is none of cpus, variant, hold, in", first));
  }

  Script Finish() && {
    if (script_.variants.empty()) script_.variants.push_back({"", std::nullopt, {}});
    for (const auto& [hold, names] : holds_) {
      for (Variant& variant : script_.variants) {
        if (names.empty() || std::count(names.begin(), names.end(), variant.name) > 0) {
          variant.holds.push_back(hold);
        }
      }
    }
    return std::move(script_);
  }

  bool begun() const { return script_.cpus != 0; }

 private:
  struct NamedHold {
    Hold hold;
    std::vector<std::string> variants;  // none: all
  };

  absl::Status TakeCpus(const TextLine& line) {
    if (script_.cpus != 0) return line.Refuse("`cpus` stands there a second time");
    const auto cpus = line.words.size() == 2 ? ToNumber(line.words[1], 1, kMostCpus) : std::nullopt;
    if (!cpus) {
      return line.Refuse(fmt::format("`cpus` takes one whole number from 1 to {}", kMostCpus));
    }
    script_.cpus = *cpus;
    return absl::OkStatus();
  }

  absl::Status TakeVariant(const TextLine& line) {
    if (!holds_.empty()) return line.Refuse("variants come before the first hold");
    if (line.words.size() != 3) {
      return line.Refuse("the form is: variant NAME failed|survived|prevented");
    }
    const std::string& name = line.words[1];
    if (!GatePort::IsName(name)) {
      return line.Refuse(fmt::format("'{}' is no name: lower-case letters, digits and '-'", name));
    }
    if (script_.Find(name) != nullptr) {
      return line.Refuse(fmt::format("variant {} stands there a second time", name));
    }
    for (const Outcome due : {Outcome::kFailed, Outcome::kSurvived, Outcome::kPrevented}) {
      if (line.words[2] != ToString(due)) continue;
      script_.variants.push_back({name, due, {}});
      return absl::OkStatus();
    }
    return line.Refuse(fmt::format("'{}' is none of failed, survived, prevented", line.words[2]));
  }

  // in A B: hold ...
  absl::Status TakeIn(const TextLine& line) {
    std::vector<std::string> names;
    for (size_t i = 1; i < line.words.size(); ++i) {
      std::string name = line.words[i];
      const bool last = name.ends_with(':');
      if (last) name.pop_back();
      if (script_.Find(name) == nullptr) {
        return line.Refuse(fmt::format("there is no variant '{}'", name));
      }
      names.push_back(std::move(name));
      if (last) return TakeHold(line, i + 1, std::move(names));
    }
    return line.Refuse("the form is: in VARIANT ...: hold ...");
  }

  absl::Status TakeHold(const TextLine& line, size_t first, std::vector<std::string> variants) {
    Words words(line, first);
    Hold hold{.at = {}, .until = {}, .line = line.number};
    for (const char* word : {"hold", "cpu"}) {
      if (absl::Status status = words.Expect(word); !status.ok()) return status;
    }
    if (absl::Status status = TakeVisit(line, words, hold.at); !status.ok()) return status;
    std::string joint = "until";
    do {
      if (absl::Status status = words.Expect(joint.c_str()); !status.ok()) return status;
      if (absl::Status status = words.Expect("cpu"); !status.ok()) return status;
      GateVisit visit;
      if (absl::Status status = TakeVisit(line, words, visit); !status.ok()) return status;
      if (visit.cpu == hold.at.cpu) {
        return line.Refuse(
            fmt::format("cpu {0} is held, and comes nowhere: it can't wait for cpu "
                        "{0}",
                        visit.cpu));
      }
      hold.until.push_back(std::move(visit));
      joint = "and";
    } while (!words.Peek().empty());
    for (const NamedHold& other : holds_) {
      const bool apart =
          !variants.empty() && !other.variants.empty() &&
          std::find_first_of(variants.begin(), variants.end(), other.variants.begin(),
                             other.variants.end()) == variants.end();
      if (other.hold.at == hold.at && !apart) {
        return line.Refuse(
            fmt::format("{} is held by line {} already", ToString(hold.at), other.hold.line));
      }
    }
    holds_.push_back({std::move(hold), std::move(variants)});
    return absl::OkStatus();
  }

  // N at GATE [#VISIT], after "cpu".
  absl::Status TakeVisit(const TextLine& line, Words& words, GateVisit& visit) {
    const std::string number = words.Take();
    const auto cpu = ToNumber(number, 0, script_.cpus - 1);
    if (!cpu) {
      return line.Refuse(fmt::format("'{}' is no CPU: with `cpus {}` they are 0 to {}", number,
                                     script_.cpus, script_.cpus - 1));
    }
    visit.cpu = *cpu;
    if (absl::Status status = words.Expect("at"); !status.ok()) return status;
    visit.gate = words.Take();
    if (!GatePort::IsName(visit.gate)) {
      return line.Refuse(
          fmt::format("'{}' is no gate: lower-case letters, digits and '-'", visit.gate));
    }
    if (words.Peek().starts_with('#')) {
      const std::string text = words.Take();
      const auto count = ToNumber(text.substr(1), 1, kMostVisits);
      if (!count) return line.Refuse(fmt::format("'{}' is no visit, like #2", text));
      visit.visit = *count;
    }
    return absl::OkStatus();
  }

  Script script_;
  std::vector<NamedHold> holds_;
};

}  // namespace

const char* ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSurvived:
      return "survived";
    case Outcome::kPrevented:
      return "prevented";
  }
  return "?";
}

std::string ToString(const GateVisit& visit) {
  std::string text = fmt::format("cpu {} at {}", visit.cpu, visit.gate);
  if (visit.visit != 1) text += fmt::format(" #{}", visit.visit);
  return text;
}

const Variant* Script::Find(const std::string& name) const {
  for (const Variant& variant : variants) {
    if (variant.name == name) return &variant;
  }
  return nullptr;
}

absl::StatusOr<Script> ParseScript(const std::string& file, const std::string& text) {
  Parser parser;
  for (const TextLine& line : CutIntoLines(file, text)) {
    if (absl::Status status = parser.Take(line); !status.ok()) return status;
  }
  if (!parser.begun()) {
    return absl::InvalidArgumentError(
        fmt::format("{}:1: nothing but comments; a script begins with `cpus N`", file));
  }
  return std::move(parser).Finish();
}

}  // namespace muster::vmm
