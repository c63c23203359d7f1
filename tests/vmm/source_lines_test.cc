#include <algorithm>
#include <fstream>
#include <optional>
#include <random>

#include <catch2/catch.hpp>

#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/image_file.h>
#include <muster/vmm/load/source_lines.h>
#include <muster/vmm/load/symbols.h>

#include "elf_builder.h"

// The image is one of our guests: ELF32 that holds 64-bit code, and DWARF of 64-bit code with it.
namespace muster::vmm {
namespace {

std::vector<uint8_t> Guest() {
  auto bytes = ReadFile(HELLO_IMAGE);
  REQUIRE(bytes.ok());
  return *bytes;
}

std::optional<uint64_t> AddressOf(const ImageBytes& image, const std::string& symbol) {
  const SymbolTable symbols = ReadSymbols(image);
  for (uint64_t address = 0; address < 0x400000; ++address) {
    if (symbols.Name(address) == symbol) return address;
  }
  return std::nullopt;
}

// The number of the line that begins with `text`.
int LineOf(const std::string& path, const std::string& text) {
  std::ifstream source(path);
  int number = 0;
  for (std::string line; std::getline(source, line);) {
    ++number;
    if (line.rfind(text, 0) == 0) return number;
  }
  return -1;
}

TEST_CASE("a guest's function is found at its line, and no line where there is no code") {
  const std::vector<uint8_t> bytes = Guest();
  const ImageBytes image("hello", bytes);
  const auto main = AddressOf(image, "GuestMain");
  REQUIRE(main);
  const int line = LineOf(HELLO_SOURCE, "void GuestMain(");
  REQUIRE(line > 0);
  const SourceLines lines = ReadSourceLines(image, {0x10, *main, *main, 0xffffffff80000000});
  REQUIRE(lines.size() == 1);
  CHECK(lines.at(*main) == "hello.c:" + std::to_string(line));
}

TEST_CASE("an address within a row of the line table has the row's line") {
  const std::vector<uint8_t> bytes = Guest();
  const ImageBytes image("hello", bytes);
  const uint64_t main = AddressOf(image, "GuestMain").value();
  std::vector<uint64_t> addresses;
  for (uint64_t address = main; address < main + 16; ++address) addresses.push_back(address);
  CHECK(ReadSourceLines(image, addresses).size() == 16);
}

TEST_CASE("no lines from an image without DWARF, a flat one, or for no address") {
  const std::vector<uint8_t> elf = testing::GoodImage().Build();
  CHECK(ReadSourceLines(ImageBytes("img", elf), {0x10000c}).empty());
  const std::vector<uint8_t> flat(4096, 0xf4);
  CHECK(ReadSourceLines(ImageBytes("img", flat), {0x10000c}).empty());
  const std::vector<uint8_t> guest = Guest();
  CHECK(ReadSourceLines(ImageBytes("img", guest), {}).empty());
}

TEST_CASE("lines of a file that names a second one are not read: it would be opened") {
  std::vector<uint8_t> bytes = Guest();
  const std::string name = ".debug_aranges", alt = ".gnu_debugaltlink";
  // Room for the longer name: the section names are rewritten from .debug_aranges on.
  auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end());
  REQUIRE(at != bytes.end());
  REQUIRE(bytes.end() - at > static_cast<ptrdiff_t>(alt.size()));
  const uint64_t main = AddressOf(ImageBytes("hello", bytes), "GuestMain").value();
  std::copy(alt.begin(), alt.end(), at);
  at[static_cast<ptrdiff_t>(alt.size())] = 0;
  CHECK(ReadSourceLines(ImageBytes("hello", bytes), {main}).empty());
}

TEST_CASE("damaged DWARF gives fewer lines or wrong ones, and nothing worse") {
  const std::vector<uint8_t> good = Guest();
  const uint64_t main = AddressOf(ImageBytes("hello", good), "GuestMain").value();
  const std::vector<uint64_t> addresses = {main, main + 8, main + 0x100, 0x100000};
  std::mt19937_64 random(1);
  int with = 0, without = 0, unprintable = 0;
  const auto look = [&](std::vector<uint8_t> bytes) {
    bytes.shrink_to_fit();
    const SourceLines lines = ReadSourceLines(ImageBytes("hello", bytes), addresses);
    ++(lines.empty() ? without : with);
    for (const auto& [address, line] : lines) {
      for (char c : line) unprintable += c < ' ' || c > '~';
    }
  };
  for (int i = 0; i < 64; ++i) {
    look({good.begin(), good.begin() + static_cast<ptrdiff_t>(random() % good.size())});
  }
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint8_t> bytes = good;
    const size_t begin = i % 4 == 0 ? 0 : bytes.size() / 4;
    for (size_t n = 1 + random() % 8; n > 0; --n) {
      bytes[begin + random() % (bytes.size() - begin)] = static_cast<uint8_t>(random());
    }
    look(std::move(bytes));
  }
  CHECK(unprintable == 0);
  CHECK(with > 100);
  CHECK(without > 50);
}

}  // namespace
}  // namespace muster::vmm
