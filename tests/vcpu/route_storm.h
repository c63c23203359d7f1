#pragma once

namespace muster::vcpu {

// `rewriters` CPUs that change entries of the I/O APIC, edges on all pins, and one CPU that goes
// through INIT and SIPI meanwhile.
void RouteStorm(int rewriters);

}  // namespace muster::vcpu
