#include <fmt/format.h>

#include <muster/vmm/cli/near_miss.h>
#include <muster/vmm/cli/usage.h>

namespace muster::vmm {

std::string HelpText::make_usage(const CLI::App* app, std::string name) const {
  std::string text = CLI::Formatter::make_usage(app, name);
  if (app->get_name() == "run") text.insert(text.find_last_not_of('\n') + 1, " [-- WORDS]");
  return text;
}

std::string HelpText::make_option_desc(const CLI::Option* option) const {
  std::string text = CLI::Formatter::make_option_desc(option);
  const size_t room = 100 - get_column_width();
  for (size_t line = 0; text.size() - line > room;) {
    const size_t space = text.rfind(' ', line + room);
    if (space == std::string::npos || space <= line) break;
    text[space] = '\n';
    line = space + 1;
  }
  return text;
}

std::string InWords(const CLI::ArgumentMismatch& error) {
  const std::string text = error.what();
  const size_t colon = text.find(": ");
  if (colon == std::string::npos) return text;
  const std::string option = text.substr(0, colon);
  if (text.ends_with(" missing")) return option + " needs a value after it";
  if (text.find("At Most 1 ") != std::string::npos) return option + " is given more than once";
  return text;
}

std::string FlagWithValue(const CLI::App& command, const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const CLI::Option* const option =
        name.starts_with('-') ? command.get_option_no_throw(name) : nullptr;
    if (option == nullptr) continue;
    if (option->get_items_expected_max() == 0) {
      if (equals != std::string::npos) return name;
    } else if (equals == std::string::npos) {
      ++i;  // its value, whatever that looks like
    }
  }
  return "";
}

std::string Unexpected(const CLI::App& command) {
  const std::vector<std::string> all = command.remaining();
  if (all.empty()) return "";
  const std::string& argument = all.front();
  const std::string name =
      command.get_name() == "muster" ? "muster" : "muster " + command.get_name();
  if (!argument.starts_with('-')) {
    return fmt::format("'{}' is more than {} takes{}", argument, name,
                       command.get_name() == "run" ? "; words for the guest come after --" : "");
  }
  const std::string option = argument.substr(0, argument.find('='));
  std::vector<std::string> known;
  for (const CLI::Option* one : command.get_options()) {
    for (const std::string& word : one->get_lnames()) known.push_back("--" + word);
  }
  return fmt::format("{} is no option of {}{}", option, name, ButIs(option, known));
}

}  // namespace muster::vmm
