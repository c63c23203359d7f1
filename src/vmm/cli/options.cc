// The one file that includes CLI11.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <muster/vmm/cli/help_pages.h>
#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/near_miss.h>
#include <muster/vmm/cli/options.h>
#include <muster/vmm/cli/quantity.h>
#include <muster/vmm/machine/ending.h>
#include <muster/vmm/memory/guest_memory.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {
namespace {

constexpr int kMostCpus = 1024;
constexpr int kMostRuns = 1'000'000;
constexpr int kRunsOfSuite = 10;

bool IsInstalledGuest(const std::string& name) {
  const std::vector<InstalledGuest> guests = ListGuests();
  return std::any_of(guests.begin(), guests.end(),
                     [&](const InstalledGuest& guest) { return guest.name == name; });
}

// Has CLI11 name the option and this say what is wrong.
template <typename Parse, typename Value>
CLI::Validator Quantity(Parse parse, Value& value) {
  return CLI::Validator(
      [parse, &value](std::string& text) {
        const auto parsed = parse(text);
        if (!parsed.ok()) return std::string(parsed.status().message());
        value = *parsed;
        return std::string();
      },
      "");
}

absl::StatusOr<uint64_t> ParseMemory(const std::string& text) {
  auto bytes = ParseSize(text);
  if (!bytes.ok()) return bytes;
  if (*bytes < GuestMemory::kSmallest || *bytes > GuestMemory::kLargest ||
      *bytes % GuestMemory::kPage != 0) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not whole pages (4K) between 1M and 1024G{}", text,
        text.find_first_not_of("0123456789") == std::string::npos ? "; without a unit it is bytes"
                                                                  : ""));
  }
  return bytes;
}

absl::StatusOr<int> ParseCount(const std::string& text, int most) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a whole number from 1 to {}", text, most));
  }
  return count;
}

absl::StatusOr<int> ParseCpus(const std::string& text) { return ParseCount(text, kMostCpus); }

absl::StatusOr<int> ParseRuns(const std::string& text) { return ParseCount(text, kMostRuns); }

absl::StatusOr<uint64_t> ParseAddress(const std::string& text) {
  const bool hex = text.starts_with("0x");
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  uint64_t address = 0;
  const auto [stopped, error] = std::from_chars(begin, end, address, hex ? 16 : 10);
  if (error != std::errc() || stopped != end) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a guest-physical address, like 0x7c00", text));
  }
  return address;
}

std::string JoinWords(std::string text, const std::vector<std::string>& words) {
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Help in lines that a terminal of 100 columns has room for.
class HelpText : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string text = CLI::Formatter::make_usage(app, name);
    if (app->get_name() == "run") text.insert(text.find_last_not_of('\n') + 1, " [-- WORDS]");
    return text;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
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
};

// CLI11 says "--cpus: 1 required N missing" and "--cpus: At Most 1 required but received 2".
std::string InWords(const CLI::ArgumentMismatch& error) {
  const std::string text = error.what();
  const size_t colon = text.find(": ");
  if (colon == std::string::npos) return text;
  const std::string option = text.substr(0, colon);
  if (text.ends_with(" missing")) return option + " needs a value after it";
  if (text.find("At Most 1 ") != std::string::npos) return option + " is given more than once";
  return text;
}

// The first flag of `words`, the command line of `command`, that is given a value, as --stats=yes:
// CLI11 reads some of those as if they had none. "": there is none.
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

// What `command` says of the first argument that it does not know; "" where there is none.
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

// CLI11 takes what follows an option for its value, whatever it looks like.
CLI::Validator FileName() {
  return CLI::Validator(
      [](const std::string& name) {
        if (name.empty()) return std::string("a file's name is empty");
        if (name == "-") return std::string("-: this can't go to stdout; name a file");
        if (name[0] != '-') return std::string();
        return fmt::format("a file's name is missing before {0}; for a file of that name, ./{0}",
                           name);
      },
      "");
}

// As FileName, where "-" is stdout.
CLI::Validator FileNameOrStdout() {
  return CLI::Validator(
      [file = FileName()](std::string& name) { return name == "-" ? std::string() : file(name); },
      "");
}

}  // namespace

Options ParseCommandLine(int argc, const char* const* argv) {
  // What comes after -- is the guest's, whatever it looks like.
  std::vector<std::string> own(argv + 1, argv + argc), words;
  if (const auto end = std::find(own.begin(), own.end(), "--"); end != own.end()) {
    words.assign(end + 1, own.end());
    own.erase(end, own.end());
  }
  const bool has_words = !words.empty();

  CLI::App app("Runs small multiprocessor guests on KVM, with local APICs in user space.",
               "muster");
  app.formatter(std::make_shared<HelpText>());  // the commands' too
  app.footer(kExamples);
  app.set_version_flag("--version", "muster " MUSTER_VERSION);
  app.require_subcommand(0, 1);

  RunOptions run;
  CLI::App* run_command = app.add_subcommand("run", "run a guest image");
  run_command->footer(kExamples);
  std::string cpus, memory, timeout;
  uint64_t timeout_ns = 0;
  run_command
      ->add_option("IMAGE", run.image,
                   "an installed guest (see muster list) or, with a / in it, a file: ELF64, ELF32, "
                   "Multiboot 1, a Linux bzImage, or a kernel with a PVH entry (vmlinux)")
      ->required();
  run_command->add_option("--cpus", cpus, "number of CPUs, 1 to 1024; 2 unless told")
      ->type_name("N")
      ->check(Quantity(ParseCpus, run.cpus));
  run_command->add_option("--memory", memory, "RAM, like 64M or 2G; 256M unless told")
      ->type_name("SIZE")
      ->check(Quantity(ParseMemory, run.memory_bytes));
  run_command
      ->add_option("--cmdline", run.arguments,
                   "the guest's command line; Multiboot's begins with the image's name")
      ->type_name("TEXT");
  run_command
      ->add_option("--initrd", run.initrd, "the kernel's initial RAM disk, or a Multiboot module")
      ->type_name("FILE")
      ->check(FileName());
  std::string serial;
  run_command
      ->add_option(
          "--serial", serial,
          "what the guest's serial line is connected to: stdio, as the terminal edits "
          "lines, unless told; console, a terminal of its own; pty, whose name is printed; "
          "unix:PATH, a socket; none; or a file, its name with a / or . in it")
      ->type_name("WHERE")
      ->check(Quantity(ParseSerialChoice, run.serial));
  uint64_t flat = 0;
  std::string flat_text;
  CLI::Option* flat_option =
      run_command
          ->add_option("--flat", flat_text,
                       "the image has no format: put it at this guest-physical address and start "
                       "at its first byte, below 1M in real mode, else as Multiboot does")
          ->type_name("ADDRESS")
          ->check(Quantity(ParseAddress, flat));
  CLI::Option* timeout_option =
      run_command->add_option("--timeout", timeout, "end the run after 500ms, 10s, 2m ...")
          ->type_name("TIME")
          ->check(Quantity(ParseDuration, timeout_ns));
  run_command
      ->add_option("--json", run.json,
                   "write a report as JSON when the run has ended, and on Ctrl-\\; - is stdout")
      ->type_name("FILE")
      ->check(FileNameOrStdout());
  run_command
      ->add_option("--trace", run.trace,
                   "write what happened, for Perfetto (ui.perfetto.dev): a track for each CPU")
      ->type_name("FILE")
      ->check(FileName());
  run_command->add_flag("--stats", run.stats,
                        "show at the end what each CPU did, and how they came up");

  CLI::App* list_command = app.add_subcommand("list", "list the installed guests");
  list_command->footer("A line each, on stdout: the name for muster run, and what the guest does.");

  DoctorOptions doctor;
  CLI::App* doctor_command =
      app.add_subcommand("doctor", "say whether this host can run guests, how, and what to mend");
  doctor_command->footer("Exit status: 0 where guests can run, else 6.");
  doctor_command->add_flag("--json", doctor.json, "as JSON, on stdout");

  StressOptions stress;
  CLI::App* stress_command = app.add_subcommand(
      "stress", "force interleavings of a guest's CPUs, and say how each run ended");
  stress_command->footer(kStressExamples);
  std::vector<std::string> stress_words;
  stress_command->add_option("WHAT", stress_words,
                             "with --suite scenarios, ID or ID/VARIANT; else the image");
  stress_command->add_flag("--suite", stress.suite, "the scenarios that come with muster");
  stress_command->add_flag("--list", stress.list, "with --suite: name them, and run none");
  CLI::Option* script_option =
      stress_command->add_option("--script", stress.script, "who is held until who has come where")
          ->type_name("FILE")
          ->check(FileName());
  CLI::Option* signature_option =
      stress_command->add_option("--signature", stress.signature, "how the harm looks")
          ->type_name("FILE")
          ->check(FileName());
  std::string runs, stress_timeout;
  CLI::Option* runs_option =
      stress_command->add_option("--runs", runs, "of each variant; 10 with --suite, else 1")
          ->type_name("N")
          ->check(Quantity(ParseRuns, stress.runs));
  stress_command
      ->add_option("--timeout", stress_timeout,
                   "of each run, which is an error then; 60s unless told")
      ->type_name("TIME")
      ->check(Quantity(ParseDuration, stress.timeout_ns));
  stress_command
      ->add_option("--json", stress.json, "write an object for each id and variant; - is stdout")
      ->type_name("FILE")
      ->check(FileNameOrStdout());

  CLI::App* help_command = app.add_subcommand("help", "show this, or with a command its help");
  std::string about;
  help_command->footer("The same as muster COMMAND --help.");
  help_command->add_option("COMMAND", about, "run, stress, list or doctor");

  const auto commands = {run_command, stress_command, list_command, doctor_command, help_command};
  std::string names;
  for (const CLI::App* command : commands)
    names += (names.empty() ? "" : ", ") + command->get_name();
  const auto Find = [&commands](const std::string& name) {
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* command) {
      return name == command->get_name();
    });
    return found == commands.end() ? nullptr : *found;
  };
  std::string page = "muster --help";  // that says more
  const auto Refuse = [&page](const std::string& what) {
    return PrintAndExit{kExitUsage, "", fmt::format("muster: {}; see {}\n", what, page)};
  };
  // Not App::help, which asked for the whole program's gives that of the command that was named.
  const auto Help = [&app](const CLI::App& command) {
    return PrintAndExit{0,
                        command.get_formatter()->make_help(
                            &command, &command == &app ? "muster" : "muster " + command.get_name(),
                            CLI::AppFormatMode::Normal),
                        ""};
  };
  const CLI::App* begun = &app;
  if (!own.empty() && !own.front().starts_with('-')) {
    begun = Find(own.front());
    if (begun == nullptr && own.front().find('/') != std::string::npos) {
      return Refuse(
          fmt::format("'{0}' is no command; to run that image, muster run {0}", own.front()));
    }
    if (begun == nullptr && IsInstalledGuest(own.front())) {
      return Refuse(
          fmt::format("'{0}' is no command; to run that guest, muster run {0}", own.front()));
    }
    if (begun == nullptr) {
      return Refuse(fmt::format("'{}' is no command; there are {}", own.front(), names));
    }
    if (begun != help_command) page = "muster help " + own.front();
  }
  if (const std::string flag = FlagWithValue(*begun, own); !flag.empty()) {
    return Refuse(flag + " takes no value");
  }

  std::reverse(own.begin(), own.end());  // as CLI11 wants it
  try {
    app.parse(own);
  } catch (const CLI::CallForHelp& call) {
    return Help(*begun);
  } catch (const CLI::CallForVersion& call) {
    return PrintAndExit{0, std::string(call.what()) + "\n", ""};
  } catch (const CLI::ArgumentMismatch& error) {
    return Refuse(InWords(error));
  } catch (const CLI::ExtrasError& error) {
    return Refuse(Unexpected(*begun));
  } catch (const CLI::ParseError& error) {
    return Refuse(error.what());
  }

  if (app.get_subcommands().empty()) {
    return Refuse("a command is needed: run, stress, list, doctor or help");
  }
  if (*help_command) {
    if (has_words) return Refuse("help takes no words after --");
    const CLI::App* const command = about.empty() ? &app : Find(about);
    if (command == nullptr) {
      return Refuse(fmt::format("'{}' is no command; there are {}", about, names));
    }
    return Help(*command);
  }
  if (*stress_command) {
    if (has_words) return Refuse("stress takes no words after --");
    if (stress.suite) {
      if (*script_option || *signature_option) {
        return Refuse("--suite has scripts and signatures of its own: leave them out");
      }
      stress.names = stress_words;
      if (!*runs_option) stress.runs = kRunsOfSuite;
      return stress;
    }
    if (stress.list) return Refuse("--list goes with --suite");
    if (stress_words.size() != 1) return Refuse("stress takes --suite, or one IMAGE");
    if (!*script_option) {
      const std::vector<std::string> ids = InstalledScenarios();
      const bool is_id = std::count(ids.begin(), ids.end(), stress_words.front()) != 0;
      return Refuse("stress IMAGE needs --script FILE" +
                    (is_id ? "; that scenario: stress --suite " + stress_words.front() : ""));
    }
    stress.image = stress_words.front();
    return stress;
  }
  if (*list_command) {
    if (has_words) return Refuse("list takes no words after --");
    return ListOptions{};
  }
  if (*doctor_command) {
    if (has_words) return Refuse("doctor takes no words after --");
    return doctor;
  }
  if (run.image.empty()) return Refuse("IMAGE is an empty name");
  if (run.json == "-" && run.serial.OnStdout()) {
    return Refuse(
        "--json -: stdout is the guest's serial line; name a file, or connect that line to "
        "something else, as by --serial none");
  }
  if (*flat_option) run.flat = flat;
  if (*timeout_option) run.timeout_ns = timeout_ns;
  run.arguments = JoinWords(run.arguments, words);
  return run;
}

}  // namespace muster::vmm
