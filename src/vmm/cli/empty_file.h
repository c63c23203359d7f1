#pragma once

namespace muster::vmm {

// Has a regular file be empty, and leaves alone what is none; false, with errno, where it cannot.
bool EmptyFile(int fd);

}  // namespace muster::vmm
