#pragma once

#include <absl/status/statusor.h>
#include <string>
#include <vector>

#include <muster/vmm/stress/final_state.h>

namespace muster::vmm {

// How the harm of a bug looks from outside, after the run. Text, every line of which must hold:
//
//   deadlock                             proved: no CPU can ever move again
//   waiters[2] == 0                      a variable by its C path; == != < > <= >=, hexadecimal
//   cfd[0].next == &cfd[0]               numbers and addresses too
//   cpu 2 IF == 0                        RFLAGS.IF
//   cpu 2 serves 0xf3                    the vector is in service (ISR)
//   cpu 2 owes 0xf3                      it is requested (IRR) or in the mailbox
//   cpu 2 does not owe 0xf3
//   cpu 2 in smp_rendezvous_action       RIP is in that function
//   cpu 2 waits for waiters[2]           as it has declared, and memory does not satisfy it
//   cpu 2 halted
//   or                                   what follows is another way to look
//
// "does not" goes before serve, owe, wait.
class Signature {
 public:
  struct Line {
    std::string file;
    int number = 0;
    std::vector<std::string> words;
  };

  // InvalidArgument: "FILE:LINE: what is wrong".
  static absl::StatusOr<Signature> Parse(const std::string& file, const std::string& text);

  // Whether all of it holds. A line that names what this guest does not have does not hold.
  bool Matches(const FinalState& state) const { return FirstMiss(state).empty(); }
  // The first line that does not hold, of the first way to look, and why; "" where all of one do.
  std::string FirstMiss(const FinalState& state) const;

  // InvalidArgument where the image has no such variable or function, or the run no such CPU: a
  // mistake in a signature that is meant for it.
  absl::Status CheckAgainst(const Variables& variables, const SymbolTable& symbols, int cpus) const;

 private:
  std::vector<std::vector<Line>> ways_;  // one of which has to hold
};

}  // namespace muster::vmm
