#include <charconv>
#include <fmt/format.h>

#include <muster/vmm/load/variables.h>

namespace muster::vmm {
namespace {

constexpr int kDeepest = 32;  // a damaged type may contain itself

bool IsNamePart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string TakeName(const std::string& path, size_t& at) {
  const size_t begin = at;
  while (at < path.size() && IsNamePart(path[at])) ++at;
  return path.substr(begin, at - begin);
}

}  // namespace

// Members of anonymous structs and unions count as those of what holds them.
const Variables::Member* Variables::FindMember(int type, const std::string& name, uint64_t& offset,
                                               int depth) const {
  if (depth > kDeepest) return nullptr;
  for (const Member& member : types_[static_cast<size_t>(type)].members) {
    if (member.name == name) {
      offset += member.offset;
      return &member;
    }
    if (!member.name.empty()) continue;
    uint64_t inner = offset + member.offset;
    if (const Member* found = FindMember(member.type, name, inner, depth + 1)) {
      offset = inner;
      return found;
    }
  }
  return nullptr;
}

absl::StatusOr<Variables::Place> Variables::Find(const std::string& path,
                                                 const ReadPointer& pointer) const {
  size_t at = 0;
  const std::string name = TakeName(path, at);
  const auto variable = variables_.find(name);
  if (variable == variables_.end()) {
    return absl::NotFoundError(fmt::format("there is no variable '{}'", name));
  }
  uint64_t address = variable->second.address;
  int index = variable->second.type;
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError(fmt::format("{}: '{}' {}", path, path.substr(0, at), why));
  };
  while (at < path.size()) {
    if (index < 0) return refuse("has no type that is known");
    const Type& type = types_[static_cast<size_t>(index)];
    if (path[at] == '[') {
      uint64_t number = 0;
      const auto [end, error] =
          std::from_chars(path.data() + at + 1, path.data() + path.size(), number);
      const auto after = static_cast<size_t>(end - path.data());
      if (error != std::errc() || after >= path.size() || path[after] != ']') {
        return refuse("is followed by something else than [NUMBER]");
      }
      if (type.kind != Type::Kind::kArray) return refuse("is no array");
      if (number >= type.count) return refuse("has not so many elements");
      index = type.element;
      if (index < 0) return refuse("has elements of a type that is not known");
      address += number * types_[static_cast<size_t>(index)].size;
      at = after + 1;
      continue;
    }
    const bool follows = path.compare(at, 2, "->") == 0;
    if (!follows && path[at] != '.') return refuse("is followed by none of [N], .NAME, ->NAME");
    if (follows) {
      if (type.kind != Type::Kind::kPointer || type.element < 0) return refuse("is no pointer");
      const std::optional<uint64_t> target = pointer(address);
      if (!target) {
        return absl::DataLossError(fmt::format("{}: '{}' leads nowhere", path, path.substr(0, at)));
      }
      address = *target;
      index = type.element;
    }
    if (types_[static_cast<size_t>(index)].kind != Type::Kind::kStruct) {
      return refuse("is no struct or union");
    }
    size_t after = at + (follows ? 2 : 1);
    const Member* member = FindMember(index, TakeName(path, after), address, 0);
    if (member == nullptr) return refuse("has no such member");
    index = member->type;
    at = after;
  }
  if (index < 0) return refuse("has no type that is known");
  const Type& type = types_[static_cast<size_t>(index)];
  return Place{address, static_cast<uint32_t>(type.size), type.is_signed};
}

std::string Variables::NameOf(uint64_t address) const {
  for (const auto& [name, variable] : variables_) {
    if (variable.type < 0) continue;
    uint64_t offset = address - variable.address;  // wraps, and is large then
    int index = variable.type;
    if (offset >= types_[static_cast<size_t>(index)].size) continue;
    std::string path = name;
    int levels = 0;
    for (bool deeper = true; deeper && levels < kDeepest; ++levels) {
      const Type& type = types_[static_cast<size_t>(index)];
      deeper = false;
      if (type.kind == Type::Kind::kArray && type.element >= 0) {
        const uint64_t each = types_[static_cast<size_t>(type.element)].size;
        if (each == 0) break;
        path += fmt::format("[{}]", offset / each);
        offset %= each;
        index = type.element;
        deeper = true;
        continue;
      }
      for (const Member& member : type.members) {
        if (offset - member.offset >= types_[static_cast<size_t>(member.type)].size) continue;
        if (!member.name.empty()) path += "." + member.name;
        offset -= member.offset;
        index = member.type;
        deeper = true;
        break;
      }
    }
    if (offset != 0) path += fmt::format("+{:#x}", offset);
    return path;
  }
  return "";
}

}  // namespace muster::vmm
