#include "result.h"

#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>

namespace muster::bench {
namespace {

std::string Figure(double value) {
  return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

// The median, and the quartiles.
std::string Spread(const Samples& samples, const std::string& unit) {
  return fmt::format("{} {} ({} to {})", Figure(samples.Median()), unit,
                     Figure(samples.Quantile(0.25)), Figure(samples.Quantile(0.75)));
}

// With the interval of the median where there is one.
std::string Quotient(const Result& result) {
  std::string text = fmt::format("{:.3f}", result.ratio());
  if (!result.in_turn) return text;
  const auto [low, high] = Samples::Quotients(result.ours, result.theirs).MedianInterval();
  return text + fmt::format(" ({:.3f} to {:.3f})", low, high);
}

std::string Verdict(const Result& result) {
  if (!result.skipped.empty()) return "not measured";
  return result.met() ? "met" : "missed";
}

std::string KvmName() {
  for (const char* module : {"kvm_amd", "kvm_intel", "kvm_pvm"}) {
    if (access(fmt::format("/sys/module/{}", module).c_str(), F_OK) == 0) return module;
  }
  return "KVM";
}

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown processor";
}

}  // namespace

std::string DescribeHost() {
  utsname names{};
  uname(&names);
  char day[16];
  const time_t now = time(nullptr);
  tm parts{};
  strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&now, &parts));
  return fmt::format("{}, Linux {}, {} x {}, {}", KvmName(), names.release,
                     std::thread::hardware_concurrency(), ProcessorName(), day);
}

std::string ToText(const std::vector<Result>& results) {
  std::string text;
  for (const Result& r : results) {
    text += fmt::format("{}\n", r.what);
    if (!r.skipped.empty()) {
      text += fmt::format("  not measured: {}\n", r.skipped);
      continue;
    }
    text += fmt::format("  {:<28} {}\n", "Muster", Spread(r.ours, r.unit));
    text += fmt::format("  {:<28} {}\n", r.rival, Spread(r.theirs, r.unit));
    text += fmt::format("  {:<28} {}, wanted at most {:.2f}: {}\n", "quotient", Quotient(r),
                        r.wanted, Verdict(r));
  }
  return text;
}

std::string ToMarkdown(const std::vector<Result>& results) {
  std::string text =
      "| | Muster | rival | quotient | wanted | |\n"
      "|---|---|---|---|---|---|\n";
  for (const Result& r : results) {
    if (!r.skipped.empty()) {
      text += fmt::format("| {} | | {} | | {:.2f} | not measured: {} |\n", r.what, r.rival,
                          r.wanted, r.skipped);
      continue;
    }
    text += fmt::format("| {} | {} | {}: {} | {} | {:.2f} | {} |\n", r.what, Spread(r.ours, r.unit),
                        r.rival, Spread(r.theirs, r.unit), Quotient(r), r.wanted, Verdict(r));
  }
  return text;
}

std::string ToJson(const std::vector<Result>& results, const std::string& host) {
  const auto of = [](const Samples& s) {
    return fmt::format(R"({{"median": {:.6g}, "quartiles": [{:.6g}, {:.6g}], "repeats": {}}})",
                       s.Median(), s.Quantile(0.25), s.Quantile(0.75), s.size());
  };
  // None of the strings here holds a quote or a backslash.
  std::string text =
      fmt::format("{{\n  \"schema\": 1,\n  \"host\": \"{}\",\n  \"results\": [", host);
  const char* separator = "";
  for (const Result& r : results) {
    text += fmt::format("{}\n    {{\"what\": \"{}\", \"rival\": \"{}\", \"unit\": \"{}\", ",
                        separator, r.what, r.rival, r.unit);
    separator = ",";
    if (r.skipped.empty()) {
      text += fmt::format(R"("muster": {}, "other": {}, "quotient": {:.4f}, )", of(r.ours),
                          of(r.theirs), r.ratio());
    } else {
      text += fmt::format("\"skipped\": \"{}\", ", r.skipped);
    }
    text += fmt::format("\"wanted\": {}, \"met\": {}}}", r.wanted, r.met());
  }
  return text + "\n  ]\n}\n";
}

}  // namespace muster::bench
