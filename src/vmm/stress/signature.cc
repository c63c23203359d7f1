#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/stress/signature.h>
#include <muster/vmm/stress/text_lines.h>

namespace muster::vmm {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kRelations[] = {"==", "!=", "<", ">", "<=", ">="};

bool IsRelation(const std::string& word) {
  return std::any_of(std::begin(kRelations), std::end(kRelations),
                     [&](const char* relation) { return word == relation; });
}

std::optional<uint64_t> ToNumber(const std::string& word) {
  const bool hex = word.starts_with("0x");
  const bool minus = word.starts_with("-");
  const char* const begin = word.data() + (hex ? 2 : minus ? 1 : 0);
  const char* const end = word.data() + word.size();
  uint64_t value = 0;
  const auto [stopped, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return minus ? -value : value;
}

std::optional<uint8_t> ToVector(const std::string& word) {
  const auto value = ToNumber(word);
  if (!value || *value > 255) return std::nullopt;
  return static_cast<uint8_t>(*value);
}

bool IsName(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool Compare(uint64_t left, const std::string& relation, uint64_t right, bool is_signed) {
  const auto by = [&](auto a, auto b) {
    if (relation == "==") return a == b;
    if (relation == "!=") return a != b;
    if (relation == "<") return a < b;
    if (relation == ">") return a > b;
    return relation == "<=" ? a <= b : a >= b;
  };
  return is_signed ? by(static_cast<int64_t>(left), static_cast<int64_t>(right)) : by(left, right);
}

struct Value {
  uint64_t bits = 0;
  bool is_signed = false;
};

Variables::ReadPointer PointersOf(const FinalState& state) {
  return [&state](uint64_t address) { return state.Load(address, sizeof(uint64_t)); };
}

absl::StatusOr<Value> Evaluate(const std::string& word, const FinalState& state) {
  if (const auto number = ToNumber(word)) return Value{*number, word.starts_with("-")};
  const bool address_of = word.starts_with("&");
  const auto place = state.variables->Find(address_of ? word.substr(1) : word, PointersOf(state));
  if (!place.ok()) return place.status();
  if (address_of) return Value{place->address, false};
  const std::optional<uint64_t> bits = state.Load(place->address, place->size);
  if (!bits) return absl::DataLossError(fmt::format("{} can't be read as a number", word));
  const int unused = 64 - 8 * static_cast<int>(place->size);
  if (!place->is_signed) return Value{*bits, false};
  return Value{static_cast<uint64_t>(static_cast<int64_t>(*bits << unused) >> unused), true};
}

// What follows "cpu N", and what must be so.
struct CpuClaim {
  enum class Kind { kInterruptFlag, kServes, kOwes, kIn, kWaits, kHalted };
  Kind kind = Kind::kHalted;
  bool negated = false;
  std::string operand = {};
};

std::optional<CpuClaim> ToCpuClaim(const Words& words) {
  Words rest(words.begin() + 2, words.end());
  CpuClaim claim;
  if (rest.size() > 2 && rest[0] == "does" && rest[1] == "not") {
    claim.negated = true;
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  const auto is = [&](const char* plain, const char* negated) {
    return rest[0] == (claim.negated ? negated : plain);
  };
  if (rest.size() == 1 && rest[0] == "halted" && !claim.negated) {
    claim.kind = CpuClaim::Kind::kHalted;
  } else if (rest.size() == 3 && rest[0] == "IF" && rest[1] == "==" && !claim.negated &&
             (rest[2] == "0" || rest[2] == "1")) {
    claim.kind = CpuClaim::Kind::kInterruptFlag;
  } else if (rest.size() == 2 && is("serves", "serve") && ToVector(rest[1])) {
    claim.kind = CpuClaim::Kind::kServes;
  } else if (rest.size() == 2 && is("owes", "owe") && ToVector(rest[1])) {
    claim.kind = CpuClaim::Kind::kOwes;
  } else if (rest.size() == 2 && rest[0] == "in" && !claim.negated) {
    claim.kind = CpuClaim::Kind::kIn;
  } else if (rest.size() == 3 && is("waits", "wait") && rest[1] == "for") {
    claim.kind = CpuClaim::Kind::kWaits;
  } else {
    return std::nullopt;
  }
  claim.operand = rest.back();
  return claim;
}

bool Has(const std::vector<uint8_t>& vectors, uint8_t vector) {
  return std::count(vectors.begin(), vectors.end(), vector) > 0;
}

// Where the compiler has made "name.part.0" of a function, its name alone.
std::string FunctionOf(const vcpu::Inspection& vcpu, const FinalState& state) {
  const std::string name = vcpu.registers_known ? state.symbols->Name(vcpu.linear_rip()) : "";
  return name.empty() ? "no function that is known" : name.substr(0, name.find_first_of("+."));
}

bool Holds(const CpuClaim& claim, const vcpu::Inspection& vcpu, const FinalState& state) {
  using Kind = CpuClaim::Kind;
  switch (claim.kind) {
    case Kind::kHalted:
      return vcpu.state == vcpu::RunState::kHalted;
    case Kind::kInterruptFlag:
      return vcpu.registers_known && vcpu.interrupts_on() == (claim.operand == "1");
    case Kind::kServes:
      return Has(vcpu.isr, *ToVector(claim.operand));
    case Kind::kOwes:
      return Has(vcpu.irr, *ToVector(claim.operand)) || Has(vcpu.mailbox, *ToVector(claim.operand));
    case Kind::kIn:
      return FunctionOf(vcpu, state) == claim.operand;
    case Kind::kWaits: {
      const auto wait = state.waits.find(vcpu.cpu);
      const auto place = state.variables->Find(claim.operand, PointersOf(state));
      return wait != state.waits.end() && wait->second && place.ok() &&
             wait->second->address == place->address && !IsOver(state, *wait->second);
    }
  }
  return false;
}

// "" where the line holds.
std::string Miss(const Words& words, const FinalState& state) {
  if (words[0] == "deadlock") return state.deadlock ? "" : "none was proved";
  if (words[0] == "cpu") {
    const vcpu::Inspection* vcpu = state.Find(static_cast<int>(*ToNumber(words[1])));
    if (vcpu == nullptr) return "there is no such CPU";
    const CpuClaim claim = *ToCpuClaim(words);
    if (Holds(claim, *vcpu, state) != claim.negated) return "";
    return claim.kind == CpuClaim::Kind::kIn ? "it is in " + FunctionOf(*vcpu, state)
                                             : "it is not so";
  }
  const absl::StatusOr<Value> left = Evaluate(words[0], state);
  if (!left.ok()) return std::string(left.status().message());
  const absl::StatusOr<Value> right = Evaluate(words[2], state);
  if (!right.ok()) return std::string(right.status().message());
  if (Compare(left->bits, words[1], right->bits, left->is_signed)) return "";
  return left->is_signed ? fmt::format("it is {}", static_cast<int64_t>(left->bits))
                         : fmt::format("it is {:#x}", left->bits);
}

}  // namespace

absl::StatusOr<Signature> Signature::Parse(const std::string& file, const std::string& text) {
  Signature signature;
  std::vector<Line> way;
  for (const TextLine& line : CutIntoLines(file, text)) {
    const Words& words = line.words;
    if (words[0] == "or") {
      if (words.size() != 1) return line.Refuse("`or` stands alone");
      if (way.empty()) return line.Refuse("nothing comes before `or`");
      signature.ways_.push_back(std::move(way));
      way.clear();
      continue;
    }
    if (words[0] == "deadlock") {
      if (words.size() != 1) return line.Refuse("`deadlock` stands alone");
    } else if (words[0] == "cpu") {
      const auto cpu = words.size() > 2 ? ToNumber(words[1]) : std::nullopt;
      if (!cpu || *cpu > 1023) return line.Refuse("the form is: cpu NUMBER CLAIM");
      if (!ToCpuClaim(words)) {
        return line.Refuse(
            "after the CPU comes one of: IF == 0|1, [does not] serve(s) VECTOR, "
            "[does not] owe(s) VECTOR, in FUNCTION, [does not] wait(s) for VARIABLE, halted");
      }
    } else if (words.size() != 3 || !IsRelation(words[1])) {
      return line.Refuse(
          "a line is `deadlock`, `cpu N ...`, or VARIABLE == != < > <= >= NUMBER, each in blanks");
    } else {
      for (const std::string& word : {words[0], words[2]}) {
        const std::string path = word.starts_with("&") ? word.substr(1) : word;
        if (!ToNumber(word) && (path.empty() || !IsName(path[0]))) {
          return line.Refuse(fmt::format("'{}' is neither a number nor a variable", word));
        }
      }
    }
    way.push_back({line.file, line.number, words});
  }
  if (way.empty()) {
    return absl::InvalidArgumentError(
        signature.ways_.empty()
            ? fmt::format("{}:1: nothing but comments; an empty signature would match every run",
                          file)
            : fmt::format("{}: nothing comes after the last `or`", file));
  }
  signature.ways_.push_back(std::move(way));
  return signature;
}

std::string Signature::FirstMiss(const FinalState& state) const {
  std::string first;
  for (const std::vector<Line>& way : ways_) {
    std::string miss;
    for (const Line& line : way) {
      const std::string why = Miss(line.words, state);
      if (why.empty()) continue;
      miss = fmt::format("{}:{}: {}: {}", line.file, line.number, fmt::join(line.words, " "), why);
      break;
    }
    if (miss.empty()) return "";
    if (first.empty()) first = std::move(miss);
  }
  return first;
}

absl::Status Signature::CheckAgainst(const Variables& variables, const SymbolTable& symbols,
                                     int cpus) const {
  // Where pointers lead is known only later: any address does.
  const auto anywhere = [](uint64_t) -> std::optional<uint64_t> { return 0; };
  std::vector<Line> lines;
  for (const std::vector<Line>& way : ways_) lines.insert(lines.end(), way.begin(), way.end());
  for (const Line& line : lines) {
    std::vector<std::string> paths;
    const auto refuse = [&](const std::string& why) {
      return absl::InvalidArgumentError(fmt::format("{}:{}: {}", line.file, line.number, why));
    };
    if (line.words[0] == "cpu") {
      const uint64_t cpu = *ToNumber(line.words[1]);
      if (cpu >= static_cast<uint64_t>(cpus)) {
        return refuse(fmt::format("there is no CPU {}: the script has {}", cpu, cpus));
      }
      const CpuClaim claim = *ToCpuClaim(line.words);
      if (claim.kind == CpuClaim::Kind::kIn && !symbols.Has(claim.operand)) {
        return refuse(fmt::format("there is no function '{}'", claim.operand));
      }
      if (claim.kind == CpuClaim::Kind::kWaits) paths.push_back(claim.operand);
    } else if (line.words.size() == 3) {
      paths = {line.words[0], line.words[2]};
    }
    for (const std::string& path : paths) {
      if (ToNumber(path)) continue;
      const auto place = variables.Find(path.starts_with("&") ? path.substr(1) : path, anywhere);
      if (place.ok()) continue;
      return refuse(std::string(place.status().message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace muster::vmm
