#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace muster::vmm {

// What CLI11 says of a command line, as this program says it.

// Help in lines that a terminal of 100 columns has room for.
class HelpText : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

// An option that is without its value, or there twice: CLI11 says "--cpus: 1 required N missing"
// and "--cpus: At Most 1 required but received 2".
std::string InWords(const CLI::ArgumentMismatch& error);

// The first flag of `words`, the command line of `command`, that is given a value, as --stats=yes:
// CLI11 reads some of those as if they had none. "": there is none.
std::string FlagWithValue(const CLI::App& command, const std::vector<std::string>& words);

// What `command` says of the first argument that it does not know; "" where there is none.
std::string Unexpected(const CLI::App& command);

}  // namespace muster::vmm
