#pragma once

#include <string>

#include <muster/rendezvous/call.h>

namespace muster::vmm {

// What the meetings of a run have seen that is a defect of this program, whatever the guest does,
// in words; "": nothing.
std::string DescribeDefects(const rendezvous::Counters& counters);

}  // namespace muster::vmm
