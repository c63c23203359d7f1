// Feeds bytes to the loaders: as an image, and split in two as an image with an initrd.
#include <cstddef>
#include <cstdint>

#include <muster/vmm/load/description.h>
#include <muster/vmm/load/load_image.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::vmm;
  const std::span<const uint8_t> bytes(data, size);
  const ImageBytes image("img", bytes);
  ReadDescription(image);
  auto memory = GuestMemory::Create(uint64_t{2} << 20);
  if (!memory.ok()) return 0;
  LoadRequest request{image, "words", std::nullopt};
  if (size % 2 == 1) request.initrd = ImageBytes("initrd", bytes.subspan(size / 2));
  const auto loaded = LoadImage(request, *memory);
  if (loaded.ok()) loaded->symbols.Name(loaded->start.rip);
  return 0;
}
