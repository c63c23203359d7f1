#include <dwarf.h>

#include <muster/vmm/load/dwarf_file.h>
#include <muster/vmm/load/variables.h>

namespace muster::vmm {

// What is hostile here is the depth of types and of scopes, and the number of all.
constexpr int kDeepest = 32;
constexpr size_t kMostTypes = 100'000;

class TypeReader {
 public:
  explicit TypeReader(Variables& variables) : into_(variables) {}

  // Functions too have variables with a fixed address.
  void ReadScope(Dwarf_Die& scope, int depth) {
    Dwarf_Die child;
    if (depth > kDeepest || dwarf_child(&scope, &child) != 0) return;
    do {
      switch (dwarf_tag(&child)) {
        case DW_TAG_variable:
          ReadVariable(child);
          break;
        case DW_TAG_subprogram:
        case DW_TAG_lexical_block:
          ReadScope(child, depth + 1);
          break;
        default:
          break;
      }
    } while (dwarf_siblingof(&child, &child) == 0);
  }

 private:
  using Type = Variables::Type;

  void ReadVariable(Dwarf_Die& die) {
    const Dwarf_Addr address = AddressOf(die);
    // A definition may name its declaration, and leave the rest to it.
    Dwarf_Attribute name;
    const char* text = dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_name, &name));
    if (text == nullptr || address == 0) return;
    into_.variables_.try_emplace(text, Variables::Variable{address, TypeOf(die, 0)});
  }

  // 0 where it has none of its own.
  static Dwarf_Addr AddressOf(Dwarf_Die& die) {
    Dwarf_Attribute attribute;
    Dwarf_Op* operations = nullptr;
    size_t count = 0;
    if (dwarf_attr(&die, DW_AT_location, &attribute) == nullptr ||
        dwarf_getlocation(&attribute, &operations, &count) != 0 || count != 1) {
      return 0;
    }
    if (operations[0].atom == DW_OP_addr) return operations[0].number;
    // clang's DWARF 5 keeps addresses in a table.
    Dwarf_Attribute indirect;
    Dwarf_Addr address = 0;
    if (operations[0].atom != DW_OP_addrx ||
        dwarf_getlocation_attr(&attribute, operations, &indirect) != 0 ||
        dwarf_formaddr(&indirect, &address) != 0) {
      return 0;
    }
    return address;
  }

  // -1 where it has none, or none that is understood.
  int TypeOf(Dwarf_Die& die, int depth) {
    Dwarf_Attribute attribute;
    Dwarf_Die type;
    if (dwarf_attr_integrate(&die, DW_AT_type, &attribute) == nullptr ||
        dwarf_formref_die(&attribute, &type) == nullptr) {
      return -1;
    }
    return Read(type, depth + 1);
  }

  int Read(Dwarf_Die& die, int depth) {
    if (depth > kDeepest || into_.types_.size() >= kMostTypes) return -1;
    switch (dwarf_tag(&die)) {
      case DW_TAG_typedef:
      case DW_TAG_const_type:
      case DW_TAG_volatile_type:
      case DW_TAG_atomic_type:
      case DW_TAG_restrict_type:
        return TypeOf(die, depth);
      default:
        break;
    }
    if (const auto known = known_.find(dwarf_dieoffset(&die)); known != known_.end()) {
      return known->second;
    }
    // Known before it is read: a struct may point to its like.
    const int index = static_cast<int>(into_.types_.size());
    known_[dwarf_dieoffset(&die)] = index;
    into_.types_.emplace_back();
    Type type;
    Dwarf_Word size = 0;
    if (dwarf_aggregate_size(&die, &size) == 0) type.size = size;
    switch (dwarf_tag(&die)) {
      case DW_TAG_pointer_type:
        type.kind = Type::Kind::kPointer;
        type.element = TypeOf(die, depth);
        break;
      case DW_TAG_array_type:
        ReadArray(die, depth, type);
        break;
      case DW_TAG_structure_type:
      case DW_TAG_union_type:
        type.kind = Type::Kind::kStruct;
        ReadMembers(die, depth, type);
        break;
      default: {
        Dwarf_Attribute attribute;
        Dwarf_Word encoding = 0;
        type.is_signed = dwarf_attr(&die, DW_AT_encoding, &attribute) != nullptr &&
                         dwarf_formudata(&attribute, &encoding) == 0 &&
                         (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
      }
    }
    into_.types_[static_cast<size_t>(index)] = std::move(type);
    return index;
  }

  static uint64_t Number(Dwarf_Die& die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_attr(&die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0) {
      return 0;
    }
    return value;
  }

  // C's arrays of arrays are one DIE with a child for each dimension.
  void ReadArray(Dwarf_Die& die, int depth, Type& type) {
    type.kind = Type::Kind::kArray;
    type.element = TypeOf(die, depth);
    std::vector<uint64_t> counts;
    Dwarf_Die child;
    if (dwarf_child(&die, &child) == 0) {
      do {
        Dwarf_Attribute unused;
        const bool counted = dwarf_attr(&child, DW_AT_count, &unused) != nullptr;
        counts.push_back(counted ? Number(child, DW_AT_count)
                                 : Number(child, DW_AT_upper_bound) + 1);
      } while (counts.size() < kDeepest && dwarf_siblingof(&child, &child) == 0);
    }
    if (counts.empty()) return;
    type.count = counts.front();
    for (size_t i = counts.size() - 1; i > 0; --i) {
      Type inner;
      inner.kind = Type::Kind::kArray;
      inner.element = type.element;
      inner.count = counts[i];
      const int element = type.element;
      const uint64_t each = element < 0 ? 0 : into_.types_[static_cast<size_t>(element)].size;
      inner.size = each * counts[i];
      type.element = static_cast<int>(into_.types_.size());
      into_.types_.push_back(inner);
    }
  }

  void ReadMembers(Dwarf_Die& die, int depth, Type& type) {
    Dwarf_Die child;
    if (dwarf_child(&die, &child) != 0) return;
    do {
      if (dwarf_tag(&child) != DW_TAG_member) continue;
      const char* name = dwarf_diename(&child);
      const int member = TypeOf(child, depth);
      if (member < 0) continue;
      type.members.push_back(
          {name == nullptr ? "" : name, Number(child, DW_AT_data_member_location), member});
    } while (dwarf_siblingof(&child, &child) == 0);
  }

  Variables& into_;
  std::map<Dwarf_Off, int> known_;
};

Variables Variables::Read(const ImageBytes& file) {
  Variables variables;
  DwarfFile dwarf(file);
  if (dwarf.get() == nullptr) return variables;
  TypeReader reader(variables);
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf.get(), unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
    reader.ReadScope(die, 0);
  }
  return variables;
}

}  // namespace muster::vmm
