#include <algorithm>
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <muster/vmm/cli/help_pages.h>
#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/options.h>
#include <muster/vmm/cli/run_arguments.h>
#include <muster/vmm/cli/stress_arguments.h>
#include <muster/vmm/cli/usage.h>
#include <muster/vmm/machine/ending.h>

namespace muster::vmm {
namespace {

bool IsInstalledGuest(const std::string& name) {
  const std::vector<InstalledGuest> guests = ListGuests();
  return std::any_of(guests.begin(), guests.end(),
                     [&](const InstalledGuest& guest) { return guest.name == name; });
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

  CLI::App* run_command = app.add_subcommand("run", "run a guest image");
  RunArguments run(*run_command);

  CLI::App* list_command = app.add_subcommand("list", "list the installed guests");
  list_command->footer("A line each, on stdout: the name for muster run, and what the guest does.");

  DoctorOptions doctor;
  CLI::App* doctor_command =
      app.add_subcommand("doctor", "say whether this host can run guests, how, and what to mend");
  doctor_command->footer("Exit status: 0 where guests can run, else 6.");
  doctor_command->add_flag("--json", doctor.json, "as JSON, on stdout");

  CLI::App* stress_command = app.add_subcommand(
      "stress", "force interleavings of a guest's CPUs, and say how each run ended");
  StressArguments stress(*stress_command);

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
    const auto options = stress.Finish();
    if (!options.ok()) return Refuse(std::string(options.status().message()));
    return *options;
  }
  if (*list_command) {
    if (has_words) return Refuse("list takes no words after --");
    return ListOptions{};
  }
  if (*doctor_command) {
    if (has_words) return Refuse("doctor takes no words after --");
    return doctor;
  }
  const auto options = run.Finish(words);
  if (!options.ok()) return Refuse(std::string(options.status().message()));
  return *options;
}

}  // namespace muster::vmm
