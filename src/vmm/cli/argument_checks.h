#pragma once

#include <absl/status/statusor.h>
#include <string>

#include <CLI/CLI.hpp>

namespace muster::vmm {

// What an option's value has to be, for CLI11, which names the option and lets these say the rule.

// An option whose text `parse` reads into `value`, which outlives the parsing of the command line.
template <typename Parse, typename Value>
CLI::Option* AddParsed(CLI::App& command, const char* name, Parse parse, Value& value,
                       const char* description) {
  const auto read = [parse, &value](std::string& text) {
    const auto parsed = parse(text);
    if (!parsed.ok()) return std::string(parsed.status().message());
    value = *parsed;
    return std::string();
  };
  return command
      .add_option_function<std::string>(
          name, [](const std::string&) {}, description)
      ->check(CLI::Validator(read, ""));
}

// A whole number from 1 to `most`.
absl::StatusOr<int> ParseCount(const std::string& text, int most);

// A file, by its name, which CLI11 would also take from what looks like an option.
CLI::Validator FileName();
// The same, or "-", which is stdout.
CLI::Validator FileNameOrStdout();

}  // namespace muster::vmm
