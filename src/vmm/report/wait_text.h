#pragma once

#include <string>

#include <muster/rendezvous/observer.h>

namespace muster::vmm {

// A meeting of CPUs that lasts: who calls, since when, and a line for each CPU that it waits for.
std::string RenderWait(const rendezvous::Wait& wait);

// Puts it on stderr. By the threads that wait, so each text is put out as a whole.
class WaitPrinter : public rendezvous::Observer {
 public:
  void Waits(const rendezvous::Wait& wait) override;
};

}  // namespace muster::vmm
