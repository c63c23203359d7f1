#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// The variables with a fixed address of an image written in C, and what they are made of, as its
// DWARF has it. So that `cfd[2].next->refs` can be looked at from outside.
class Variables {
 public:
  // What a path leads to.
  struct Place {
    uint64_t address = 0;
    uint32_t size = 0;  // bytes
    bool is_signed = false;
  };
  // The pointer that lies at a guest-linear address.
  using ReadPointer = std::function<std::optional<uint64_t>(uint64_t address)>;

  // Of a file without, or with damaged, DWARF: none.
  static Variables Read(const ImageBytes& file);

  // A name, then any of [N], .MEMBER, ->MEMBER. NotFound: there is no variable of that name.
  // InvalidArgument: the path does not fit its type. DataLoss: a pointer leads nowhere.
  absl::StatusOr<Place> Find(const std::string& path, const ReadPointer& pointer) const;

  // The shortest path to what lies at `address`: "cfd[2].refs", or "" where no variable does.
  std::string NameOf(uint64_t address) const;

  bool empty() const { return variables_.empty(); }

 private:
  friend class TypeReader;

  struct Member {
    std::string name;  // "" in an anonymous struct or union
    uint64_t offset;
    int type;
  };
  struct Type {
    enum class Kind { kScalar, kPointer, kArray, kStruct };
    Kind kind = Kind::kScalar;
    uint64_t size = 0;
    bool is_signed = false;
    int element = -1;             // of a pointer or array
    uint64_t count = 0;           // of an array
    std::vector<Member> members;  // of a struct or union
  };
  struct Variable {
    uint64_t address;
    int type;
  };

  const Member* FindMember(int type, const std::string& name, uint64_t& offset, int depth) const;

  std::vector<Type> types_;
  std::map<std::string, Variable> variables_;
};

}  // namespace muster::vmm
