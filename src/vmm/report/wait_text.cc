#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

#include <muster/vmm/report/style.h>
#include <muster/vmm/report/wait_text.h>

namespace muster::vmm {
namespace {

constexpr size_t kMostLines = 16;

std::string Describe(const rendezvous::Straggler& cpu) {
  std::string text = fmt::format("  CPU {}: ", cpu.cpu);
  if (cpu.started) {
    text += fmt::format("in the function for {}", FormatDuration(cpu.since_ns));
  } else if (cpu.asked_ns == 0) {
    text += "has not been told yet";
  } else {
    text += fmt::format("has not come, {} {} ago", cpu.notified ? "kicked" : "woken",
                        FormatDuration(cpu.asked_ns));
  }
  if (cpu.overruns != 0) {
    text += ", HAS ENTERED THE GUEST since: a bug of Muster";
  }
  return text + "; " + cpu.doing + "\n";
}

std::string Caller(int initiator) {
  return initiator < 0 ? std::string("muster itself") : fmt::format("CPU {}", initiator);
}

}  // namespace

std::string RenderWait(const rendezvous::Wait& wait) {
  std::string text = fmt::format("muster: {} by {} has waited {} for ", wait.name,
                                 Caller(wait.initiator), FormatDuration(wait.waited_ns));
  if (wait.has_turn) {
    text += "its CPUs";
  } else {
    text += fmt::format("its turn, after {} by {}, ", wait.behind, Caller(wait.behind_initiator));
    text += wait.behind_ns == 0 ? "which is next" : FormatDuration(wait.behind_ns) + " ago";
  }
  if (wait.queued_before > 0) text += fmt::format(", and {} more", wait.queued_before);
  if (!wait.standing.Empty()) text += fmt::format("; stopped: CPU {}", wait.standing.ToString());
  text += "\n";
  for (size_t i = 0; i < std::min(wait.stragglers.size(), kMostLines); ++i) {
    text += Describe(wait.stragglers[i]);
  }
  if (wait.stragglers.size() > kMostLines) {
    text += fmt::format("  and {} more\n", wait.stragglers.size() - kMostLines);
  }
  return text;
}

void WaitPrinter::Waits(const rendezvous::Wait& wait) {
  const std::string text = RenderWait(wait);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace muster::vmm
