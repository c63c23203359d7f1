#include <random>

#include <catch2/catch.hpp>

#include <muster/vmm/load/description.h>
#include <muster/vmm/load/load_image.h>

#include "elf_builder.h"

// Whatever the bytes, an image is refused by name or loads within guest memory: GuestMemory and
// ImageBytes bound every access, and AddressSanitizer, where it is on, would tell.
namespace muster::vmm {
namespace {

using testing::ElfBuilder;
using testing::GoodImage;

// How the tries ended.
struct Tally {
  int loaded = 0, refused = 0, unnamed = 0;

  void Try(const std::vector<uint8_t>& bytes, GuestMemory& memory) {
    // A copy of exactly this size, so that reading past it is seen.
    const std::vector<uint8_t> exact(bytes);
    const ImageBytes file("img", exact);
    const auto status = LoadImage({file, "x", std::nullopt}, memory).status();
    ReadDescription(file);
    if (status.ok()) {
      ++loaded;
    } else {
      ++refused;
      const std::string message(status.message());
      const bool no_room = status.code() == absl::StatusCode::kResourceExhausted;
      if (!no_room && message.find("img: offset 0x") != 0) ++unnamed;
    }
  }
};

std::vector<std::vector<uint8_t>> GoodImages() {
  ElfBuilder elf32 = GoodImage();
  ElfBuilder elf64 = GoodImage();
  elf64.is_64 = true;
  elf64.segments[0].bytes.assign(16, 0xf4);
  std::vector<uint8_t> addresses(16, 0);
  testing::Append(addresses, testing::MultibootHeaderBytes(
                                 0x10000, {0x200010, 0x200000, 0, 0x201000, 0x200020}));
  addresses.resize(100, 0xf4);
  return {elf32.Build(), elf64.Build(), addresses};
}

TEST_CASE("every prefix of a good image is refused by name or loads") {
  for (const std::vector<uint8_t>& good : GoodImages()) {
    GuestMemory memory = *GuestMemory::Create(uint64_t{4} << 20);
    Tally tally;
    for (size_t size = 0; size <= good.size(); ++size) {
      tally.Try({good.begin(), good.begin() + static_cast<ptrdiff_t>(size)}, memory);
    }
    CHECK(tally.unnamed == 0);
    CHECK(tally.refused > 16);
    CHECK(tally.loaded >= 1);
  }
}

TEST_CASE("every byte of a good image, changed in several ways, is refused by name or loads") {
  for (const std::vector<uint8_t>& good : GoodImages()) {
    GuestMemory memory = *GuestMemory::Create(uint64_t{4} << 20);
    Tally tally;
    for (size_t at = 0; at < good.size(); ++at) {
      for (int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        std::vector<uint8_t> changed = good;
        changed[at] = static_cast<uint8_t>(value);
        tally.Try(changed, memory);
      }
    }
    CHECK(tally.unnamed == 0);
    CHECK(tally.refused > 50);
    CHECK(tally.loaded > 50);
  }
}

TEST_CASE("random mutations of a good image are refused by name or load") {
  const std::vector<std::vector<uint8_t>> images = GoodImages();
  GuestMemory memory = *GuestMemory::Create(uint64_t{4} << 20);
  std::mt19937 random(20240229);
  Tally tally;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> changed = images[random() % images.size()];
    for (unsigned changes = 1 + random() % 8; changes > 0; --changes) {
      // Mostly where the headers are.
      const size_t at =
          random() % (random() % 4 ? std::min<size_t>(changed.size(), 200) : changed.size());
      const unsigned width = 1u << random() % 4;
      const auto value = static_cast<uint8_t>(random() % 3 ? random() : (random() % 2 ? 0xff : 0));
      for (size_t i = at; i < std::min<size_t>(at + width, changed.size()); ++i) changed[i] = value;
    }
    if (random() % 8 == 0) changed.resize(random() % changed.size());
    tally.Try(changed, memory);
  }
  CHECK(tally.unnamed == 0);
  CHECK(tally.refused > 1000);
  CHECK(tally.loaded > 1000);
}

}  // namespace
}  // namespace muster::vmm
