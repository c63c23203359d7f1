// Feeds bytes to the loaders: as an image, as one with the second half for its initrd, as a flat
// image at an address from its end, and once more over what the first time left.
#include <cstring>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/description.h>
#include <muster/vmm/load/load_image.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::vmm;
  const std::span<const uint8_t> bytes(data, size);
  const ImageBytes image("img", bytes);
  ReadDescription(image);
  auto memory = GuestMemory::Create(uint64_t{2} << 20);
  if (!memory.ok() || !WriteBiosArea(3, *memory).ok()) return 0;

  LoadRequest request{.image = image, .arguments = "words"};
  if (size % 2 == 1) request.initrd = ImageBytes("initrd", bytes.subspan(size / 2));
  for (const bool again : {false, true}) {
    request.again = again;
    const auto loaded = LoadImage(request, *memory);
    if (loaded.ok()) loaded->symbols.Name(loaded->start.rip);
  }
  uint64_t address = 0;
  if (size < sizeof(address)) return 0;
  std::memcpy(&address, data + size - sizeof(address), sizeof(address));
  // Mostly where there is memory.
  request.flat = size % 4 == 0 ? address : address % memory->size();
  (void)LoadImage(request, *memory);
  return 0;
}
