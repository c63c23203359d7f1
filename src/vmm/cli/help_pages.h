#pragma once

namespace muster::vmm {

// What the help of the command line and of its commands says after their options.

inline constexpr const char* kExamples = R"(Examples:
  muster run hello --cpus 4 --stats           an installed guest, and what its CPUs did
  muster run ./kernel --memory 1G -- debug    a file; "debug" joins its command line
  muster run ./kernel --serial console        every key goes to the guest; Ctrl-A x ends the run
  muster run ./vmlinuz --initrd ./initrd --serial console -- console=ttyS0
  muster run ./kernel --serial unix:/tmp/guest.sock
  muster run ./kernel --serial none --timeout 10s --json -

Only the guest's serial line goes to stdout. There, Ctrl-C ends a run, Ctrl-Z stops it and its
clocks until fg, Ctrl-\ prints a report and goes on; with --serial console see Ctrl-A h.
KVM is /dev/kvm, or the device that the environment's MUSTER_KVM names.
Exit status: a guest's own are odd, (v << 1) | 1 for v written to port 0xf4; 0 is a clean end.
  2 usage, 4 image, initrd, script or signature, 6 no usable KVM, 8 guest crash, 10 no CPU can ever
  run again, 12 timeout, 14 host failure, a bug of muster, or output that nobody reads, 16 a stress
  run not as due, 130 Ctrl-C, SIGTERM or SIGHUP.)";

inline constexpr const char* kStressExamples = R"(Examples:
  muster stress --suite                       every scenario, 10 runs of each variant
  muster stress --suite --list                their names, and how they are due to end
  muster stress --suite rv-exit-reset --runs 1
  muster stress ./build/guests/mine --script mine.script --signature mine.signature

A run ends failed (its signature was seen), survived, or prevented (a wait of the guest's own made
the interleaving unreachable). Exit status: 0 where all ended as due, else 16, and 130 where Ctrl-C,
SIGTERM or SIGHUP ended them. Ctrl-\ tells how far they are, Ctrl-Z stops them. What it finds out
goes to stderr, as each report does; with --json FILE, or - for stdout, for machines too.)";

}  // namespace muster::vmm
