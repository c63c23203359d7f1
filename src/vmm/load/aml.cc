#include <muster/vmm/load/aml.h>

namespace muster::vmm::aml {
namespace {

enum Op : uint8_t {
  kZero = 0x00,
  kOne = 0x01,
  kName = 0x08,
  kByte = 0x0a,
  kWord = 0x0b,
  kDword = 0x0c,
  kScope = 0x10,
  kBuffer = 0x11,
  kPackage = 0x12,
  kExtended = 0x5b,
  kDevice = 0x82,  // after kExtended
};

void Append(Term& to, const Term& what) { to.insert(to.end(), what.begin(), what.end()); }

void Append(Term& to, std::string_view text) { to.insert(to.end(), text.begin(), text.end()); }

Term Joined(const std::vector<Term>& terms) {
  Term all;
  for (const Term& term : terms) Append(all, term);
  return all;
}

// "Package Length Encoding": its own bytes count too. Up to 1 MiB.
Term WithLength(const Term& contents) {
  constexpr size_t kOneByte = 0x3f;
  size_t bytes = 1;
  if (contents.size() + 1 > kOneByte) bytes = contents.size() + 2 < 0x1000 ? 2 : 3;
  const size_t length = contents.size() + bytes;
  Term term;
  if (bytes == 1) {
    term.push_back(static_cast<uint8_t>(length));
  } else {
    term.push_back(static_cast<uint8_t>((bytes - 1) << 6 | (length & 0xf)));
    for (size_t i = 1; i < bytes; ++i) {
      term.push_back(static_cast<uint8_t>(length >> (8 * i - 4)));
    }
  }
  Append(term, contents);
  return term;
}

uint32_t HexDigit(char c) { return static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'A' + 10); }

}  // namespace

Term Integer(uint32_t value) {
  if (value <= 1) return {value == 0 ? kZero : kOne};
  const uint8_t bytes = value <= 0xff ? 1 : value <= 0xffff ? 2 : 4;
  Term term = {bytes == 1 ? kByte : bytes == 2 ? kWord : kDword};
  for (int i = 0; i < bytes; ++i) term.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return term;
}

Term EisaId(std::string_view id) {
  uint32_t packed = 0;
  for (int i = 0; i < 3; ++i) packed = packed << 5 | (static_cast<uint32_t>(id[i]) & 0x1f);
  for (int i = 3; i < 7; ++i) packed = packed << 4 | HexDigit(id[i]);
  // The most significant byte comes first.
  return Integer(__builtin_bswap32(packed));
}

Term Buffer(const Term& bytes) {
  Term contents = Integer(static_cast<uint32_t>(bytes.size()));
  Append(contents, bytes);
  Term term = {kBuffer};
  Append(term, WithLength(contents));
  return term;
}

Term Package(const std::vector<Term>& elements) {
  Term contents = {static_cast<uint8_t>(elements.size())};
  Append(contents, Joined(elements));
  Term term = {kPackage};
  Append(term, WithLength(contents));
  return term;
}

Term Name(std::string_view name, const Term& value) {
  Term term = {kName};
  Append(term, name);
  Append(term, value);
  return term;
}

Term Scope(std::string_view name, const std::vector<Term>& terms) {
  Term contents;
  Append(contents, name);
  Append(contents, Joined(terms));
  Term term = {kScope};
  Append(term, WithLength(contents));
  return term;
}

Term Device(std::string_view name, const std::vector<Term>& terms) {
  Term contents;
  Append(contents, name);
  Append(contents, Joined(terms));
  Term term = {kExtended, kDevice};
  Append(term, WithLength(contents));
  return term;
}

Term Io(uint16_t first, uint8_t count) {
  constexpr uint8_t kIoPort = 0x47, kDecodes16Bits = 1, kAlignment = 1;
  const auto low = static_cast<uint8_t>(first), high = static_cast<uint8_t>(first >> 8);
  return {kIoPort, kDecodes16Bits, low, high, low, high, kAlignment, count};
}

Term Irq(unsigned line) {
  constexpr uint8_t kIrqNoFlags = 0x22;
  const uint32_t mask = 1u << line;
  return {kIrqNoFlags, static_cast<uint8_t>(mask), static_cast<uint8_t>(mask >> 8)};
}

Term ResourceTemplate(const std::vector<Term>& descriptors) {
  Term all = Joined(descriptors);
  Append(all, Term{0x79, 0});  // end tag; 0: the sum is right
  return Buffer(all);
}

}  // namespace muster::vmm::aml
