// The command as a user sees it, as far as it needs no KVM.
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf_builder.h"
#include "process.h"

namespace muster::vmm {
namespace {

using testing::Process;
using testing::TemporaryFile;

Process::Result Muster(std::vector<std::string> arguments, const Process::Options& options = {}) {
  arguments.insert(arguments.begin(), MUSTER_BINARY);
  return Process(arguments, options).Wait();
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a wrong command line exits with 2 and one line that names what is wrong") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> kWrong = {
      {{}, "muster: a command is needed: run, stress, list, doctor or help; see muster --help\n"},
      {{"run"}, "muster: IMAGE is required; see muster help run\n"},
      {{"run", "./x", "--cpus", "0"},
       "muster: --cpus: '0' is not a whole number from 1 to 1024; see muster help run\n"},
      {{"run", "./x", "--cpus", "1025"},
       "muster: --cpus: '1025' is not a whole number from 1 to 1024; see muster help run\n"},
      {{"run", "./x", "--memory", "1K"},
       "muster: --memory: '1K' is not whole pages (4K) between 1M and 1024G; see muster help "
       "run\n"},
      {{"run", "./x", "--timeout", "5"},
       "muster: --timeout: '5' has no unit that is known; write a number and ms, s or m, like "
       "500ms, 10s or 2m; see muster help run\n"},
      {{"run", "./x", "--json", "-"},
       "muster: --json -: stdout is the guest's serial line; name a file, or connect that line to "
       "something else, as by --serial none; see muster help run\n"},
      {{"run", "./x", "--json", "-", "--serial", "console"},
       "muster: --json -: stdout is the guest's serial line; name a file, or connect that line to "
       "something else, as by --serial none; see muster help run\n"},
      {{"run", "./x", "--serial", ""},
       "muster: --serial: names nothing; there are stdio, console, pty, unix:PATH, none, or a "
       "file; see muster help run\n"},
      {{"run", "./x", "--serial", "-"},
       "muster: --serial: -: stdout is stdio, which is the default; see muster help run\n"},
      {{"run", "./x", "--serial", "--stats"},
       "muster: --serial: what it names is missing before --stats; for a file of that name, "
       "./--stats; see muster help run\n"},
      {{"run", "./x", "--serial", "unix:"},
       "muster: --serial: unix: needs a path after it, like unix:/tmp/guest.sock; see muster "
       "help run\n"},
      {{"run", "./x", "--serial", "unix"},
       "muster: --serial: unix: needs a path after it, like unix:/tmp/guest.sock; see muster "
       "help run\n"},
      {{"run", "./x", "--serial", "sdtio"},
       "muster: --serial: sdtio is no mode, but stdio is; for a file of that name, ./sdtio; see "
       "muster help run\n"},
      {{"run", "./x", "--serial", "log"},
       "muster: --serial: log is no mode; there are stdio, console, pty, unix:PATH, none; for a "
       "file of that name, ./log; see muster help run\n"},
      {{"run", "./x", "--serial", "tcp:1234"},
       "muster: --serial: there is no tcp:, only unix:PATH; for a file of that name, ./tcp:1234; "
       "see muster help run\n"},
      {{"run", "./x", "--trace", "-"},
       "muster: --trace: -: this can't go to stdout; name a file; see muster help run\n"},
      {{"run", "./x", "--json", "--stats"},
       "muster: --json: a file's name is missing before --stats; for a file of that name, "
       "./--stats; see muster help run\n"},
      {{"run", "./x", "--initrd", ""},
       "muster: --initrd: a file's name is empty; see muster help run\n"},
      {{"run", ""}, "muster: IMAGE is an empty name; see muster help run\n"},
      {{"runn", "hello"},
       "muster: 'runn' is no command; there are run, stress, list, doctor, help; see muster "
       "--help\n"},
      {{"./hello", "--cpus", "4"},
       "muster: './hello' is no command; to run that image, muster run ./hello; see muster "
       "--help\n"},
      {{"help", "runn"},
       "muster: 'runn' is no command; there are run, stress, list, doctor, help; see muster "
       "--help\n"},
      {{"run", "./x", "--cpus"}, "muster: --cpus needs a value after it; see muster help run\n"},
      {{"stress"}, "muster: stress takes --suite, or one IMAGE; see muster help stress\n"},
      {{"stress", "--list"}, "muster: --list goes with --suite; see muster help stress\n"},
      {{"stress", "./x"}, "muster: stress IMAGE needs --script FILE; see muster help stress\n"},
      {{"stress", "--suite", "--script", "x"},
       "muster: --suite has scripts and signatures of its own: leave them out; see muster "
       "help stress\n"},
      {{"stress", "--suite", "--runs", "0"},
       "muster: --runs: '0' is not a whole number from 1 to 1000000; see muster help stress\n"},
      {{"stress", "--suite", "--", "x"},
       "muster: stress takes no words after --; see muster help stress\n"},
      {{"run", "./x", "--frob"},
       "muster: --frob is no option of muster run; see muster help run\n"},
      {{"run", "./x", "--cpu=4"},
       "muster: --cpu is no option of muster run, but --cpus is; see muster help run\n"},
      {{"run", "./x", "debug"},
       "muster: 'debug' is more than muster run takes; words for the guest come after --; see "
       "muster help run\n"},
      {{"run", "./x", "--mem", "64M"},
       "muster: --mem is no option of muster run, but --memory is; see muster help run\n"},
      {{"run", "./x", "--stats=maybe"}, "muster: --stats takes no value; see muster help run\n"},
      {{"run", "./x", "--stats=yes"}, "muster: --stats takes no value; see muster help run\n"},
      {{"run", "./x", "--stats=true"}, "muster: --stats takes no value; see muster help run\n"},
      {{"run", "./x", "--cpus", "2", "--stats="},
       "muster: --stats takes no value; see muster help run\n"},
      {{"run", "--help=yes"}, "muster: --help takes no value; see muster help run\n"},
      {{"doctor", "--json=report"}, "muster: --json takes no value; see muster help doctor\n"},
      {{"stress", "--suite=on"}, "muster: --suite takes no value; see muster help stress\n"},
      {{"--version=1"}, "muster: --version takes no value; see muster --help\n"},
      {{"help", "-h=run"}, "muster: -h takes no value; see muster --help\n"},
      {{"list", "x"}, "muster: 'x' is more than muster list takes; see muster help list\n"},
      {{"--frob"}, "muster: --frob is no option of muster; see muster --help\n"},
      {{"run", "./x", "--cpus", "2", "--cpus", "3"},
       "muster: --cpus is given more than once; see muster help run\n"},
      {{"run", "./x", "--serial=pty", "--serial", "none", "--serial", "pty"},
       "muster: --serial is given more than once; see muster help run\n"},
      {{"stress", "./x", "--script", "a", "--script", "b"},
       "muster: --script is given more than once; see muster help stress\n"},
      {{"help", "frob"},
       "muster: 'frob' is no command; there are run, stress, list, doctor, help; see muster "
       "--help\n"},
      {{"help", "run", "x"}, "muster: 'x' is more than muster help takes; see muster --help\n"},
      {{"help", "--cpus"}, "muster: --cpus is no option of muster help; see muster --help\n"},
      {{"help", "--", "run"}, "muster: help takes no words after --; see muster --help\n"},
      {{"run", "./x", "--memory", "64"},
       "muster: --memory: '64' is not whole pages (4K) between 1M and 1024G; without a unit it is "
       "bytes; see muster help run\n"},
  };
  for (const auto& [arguments, message] : kWrong) {
    const Process::Result result = Muster(arguments);
    CHECK(result.status == 2);
    CHECK(result.out.empty());
    CHECK(result.err == message);
  }
  // The value of another option, whatever it looks like.
  CHECK_FALSE(
      Has(Muster({"run", "./not-there", "--cmdline", "--stats=yes"}).err, "takes no value"));
  CHECK(Muster({"frob"}).status == 2);
  CHECK(Muster({"stress", "--suite", "frob"}).status == 2);
  // Where guests have been built.
  const std::filesystem::path guests =
      std::filesystem::path(MUSTER_BINARY).parent_path().parent_path() / "guests";
  if (std::filesystem::exists(guests / "hello")) {
    CHECK(
        Muster({"hello", "--cpus", "4"}).err ==
        "muster: 'hello' is no command; to run that guest, muster run hello; see muster --help\n");
  }
  if (std::filesystem::exists(guests / "scenarios")) {
    for (const std::string name : {"/flush", "cpu-dying/", ""}) {
      const Process::Result no_id = Muster({"stress", "--suite", name});
      CHECK(no_id.status == 2);
      CHECK(Has(no_id.err, "'" + name + "' is neither ID nor ID/VARIANT; there are: "));
    }
    CHECK(Has(Muster({"stress", "cpu-dying"}).err, "; that scenario: stress --suite cpu-dying;"));
    const Process::Result list = Muster({"stress", "--suite", "--list", "cpu-dying"});
    CHECK(list.status == 0);
    CHECK(list.out == "cpu-dying/plain  failed\ncpu-dying/flush  survived\n");
  }
  CHECK(Muster({"list", "--", "x"}).status == 2);
}

TEST_CASE("help and version go to stdout and exit with 0") {
  const Process::Result help = Muster({"run", "--help"});
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  for (const char* part : {"--cpus", "--memory", "--cmdline", "--initrd", "--timeout", "--json",
                           "--serial", "--stats", "Examples:"}) {
    CHECK(Has(help.out, part));
  }
  CHECK(Muster({"--help"}).status == 0);
  CHECK(Has(help.out, "Usage: muster run [OPTIONS] IMAGE [-- WORDS]\n"));
  CHECK(Has(help.out, "Ctrl-Z"));
  CHECK(Has(Muster({"list", "--help"}).out, "Usage: muster list "));
  CHECK_FALSE(Has(Muster({"list", "--help"}).out, "Examples:"));
  for (const std::vector<std::string>& about : {std::vector<std::string>{"--help"},
                                                {"run", "--help"},
                                                {"stress", "--help"},
                                                {"list", "--help"},
                                                {"doctor", "--help"}}) {
    const std::string text = Muster(about).out;
    for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      INFO(text.substr(at, end - at));
      CHECK(end - at <= 100);
    }
  }
  CHECK(Has(Muster({"--version"}).out, "muster 0."));
}

TEST_CASE("help, and help of a command, are what --help says") {
  const Process::Result help = Muster({"help"});
  CHECK(help.status == 0);
  CHECK(help.out == Muster({"--help"}).out);
  CHECK(Has(help.out, "help "));
  for (const char* command : {"run", "stress", "list", "doctor"}) {
    const Process::Result about = Muster({"help", command});
    CHECK(about.status == 0);
    CHECK(Has(about.out, std::string("Usage: muster ") + command));
    CHECK(about.out == Muster({command, "--help"}).out);
  }
}

TEST_CASE("an image that is missing, not a file, empty or no image exits with 4") {
  const TemporaryFile empty, text({'h', 'e', 'l', 'l', 'o'});
  CHECK(Muster({"run", "/nonexistent/x"}).status == 4);
  CHECK(Muster({"run", "/nonexistent/x"}).err ==
        "muster: /nonexistent/x: No such file or directory\n");
  CHECK(Muster({"run", "/tmp"}).err == "muster: /tmp: is not a regular file\n");
  CHECK(Muster({"run", empty.path()}).err == "muster: " + empty.path() + ": is empty\n");
  const Process::Result result = Muster({"run", text.path()});
  CHECK(result.status == 4);
  CHECK(Has(result.err, text.path() + ": offset 0x0: neither an ELF file, nor"));
  const Process::Result guest = Muster({"run", "no-such-guest"});
  CHECK(guest.status == 4);
  CHECK(Has(guest.err, "no-such-guest: not among the guests in "));
}

TEST_CASE("what list, doctor, help and version say is lost: exit status 14, and why") {
  for (const std::string words :
       {"list", "doctor", "doctor --json", "--help", "run --help", "--version"}) {
    INFO(words);
    const Process::Result result =
        Process({"/bin/sh", "-c", MUSTER_BINARY " " + words + " >/dev/full"}).Wait();
    CHECK(result.status == 14);
    CHECK(result.err == "muster: writing to stdout: No space left on device\n");
  }
}

TEST_CASE("an initrd that is missing exits with 4, a JSON file that can't be written with 2") {
  const TemporaryFile image(testing::GoodImage().Build());
  const Process::Result initrd = Muster({"run", image.path(), "--initrd", "/nonexistent/x"});
  CHECK(initrd.status == 4);
  CHECK(initrd.err == "muster: --initrd /nonexistent/x: No such file or directory\n");
  const Process::Result result = Muster({"run", image.path(), "--json", "/nonexistent/x"});
  CHECK(result.status == 2);
  CHECK(result.err == "muster: --json /nonexistent/x: No such file or directory\n");
}

TEST_CASE("a script or a signature that can't be read exits with 4, and names its option") {
  const TemporaryFile image(testing::GoodImage().Build());
  const TemporaryFile script({'r', 'u', 'n', '\n'});
  const Process::Result first =
      Muster({"stress", image.path(), "--script", "/nonexistent/x", "--signature", "/tmp"});
  CHECK(first.status == 4);
  CHECK(first.err == "muster: --script /nonexistent/x: No such file or directory\n");
  const Process::Result second =
      Muster({"stress", image.path(), "--script", script.path(), "--signature", "/tmp"});
  CHECK(second.status == 4);
  CHECK(second.err == "muster: --signature /tmp: is not a regular file\n");
}

TEST_CASE("a script whose gate is nowhere in the image exits with 4, and names line and gate") {
  testing::ElfBuilder builder;
  builder.segments = {{.address = 0x100000, .bytes = {0xf4, 'a', 's', 'k', 'e', 'd', 0}}};
  const TemporaryFile image(builder.Build());
  // What is held, and what it waits for.
  for (const std::string hold :
       {"hold cpu 0 at askign until cpu 1 at asked", "hold cpu 0 at asked until cpu 1 at askign",
        "hold cpu 0 at ask until cpu 1 at asked"}) {
    const std::string text = "cpus 2\n\n" + hold + "\n";
    const TemporaryFile script({text.begin(), text.end()});
    const Process::Result result =
        Muster({"stress", image.path(), "--script", script.path(), "--runs", "1"});
    CHECK(result.status == 4);
    const std::string gate = Has(hold, "askign") ? "askign" : "ask";
    CHECK(result.err == "muster: " + script.path() + ":3: there is no gate '" + gate + "', in " +
                            image.path() + "\n");
  }
}

TEST_CASE("what stderr does not take is lost, and the exit status is the command's own") {
  for (const auto& [words, status] : std::vector<std::pair<std::string, int>>{
           {"run ./nope", 4}, {"stress --suite nonesuch", 2}, {"frobnicate", 2}, {"list", 0}}) {
    INFO(words);
    for (const char* lost : {" 2>/dev/full", " 2>&-"}) {
      CHECK(Process({"/bin/sh", "-c", MUSTER_BINARY " " + words + lost}).Wait().status == status);
    }
  }
}

TEST_CASE("what is read is not written over, and what is refused costs no file's content") {
  const std::vector<uint8_t> elf = testing::GoodImage().Build();
  const std::string text(elf.begin(), elf.end());
  const TemporaryFile image(elf), other({'o', 'l', 'd'});
  const std::string alias = "/tmp/.." + image.path();
  for (const std::string option : {"--json", "--trace", "--serial"}) {
    const Process::Result result = Muster({"run", image.path(), option, alias});
    CHECK(result.status == 2);
    CHECK(result.err == "muster: " + option + " and the image name the same file\n");
  }
  const Process::Result initrd =
      Muster({"run", image.path(), "--initrd", other.path(), "--json", other.path()});
  CHECK(initrd.status == 2);
  CHECK(initrd.err == "muster: --json and --initrd name the same file\n");
  const TemporaryFile script({'c', 'p', 'u', 's', ' ', '2', '\n'});
  const Process::Result stress = Muster(
      {"stress", image.path(), "--script", script.path(), "--json", script.path(), "--runs", "1"});
  CHECK(stress.status == 2);
  CHECK(stress.err == "muster: --json and --script name the same file\n");
  CHECK(image.Read() == text);
  CHECK(script.Read() == "cpus 2\n");
  // Nor does an image that is none.
  CHECK(Muster({"run", "/etc/passwd", "--json", other.path()}).status == 4);
  CHECK(other.Read() == "old");
}

TEST_CASE("a serial line that can't be had exits with 2 and says why") {
  const TemporaryFile image(testing::GoodImage().Build());
  for (const auto& [where, why] : std::vector<std::pair<std::string, std::string>>{
           {"/nonexistent/x", "/nonexistent/x: No such file or directory"},
           {"/tmp", "/tmp: Is a directory"},
           {"unix:/nonexistent/x", "unix:/nonexistent/x: No such file or directory"},
           {"unix:" + image.path(),
            "unix:" + image.path() + ": is there already, and is no socket"},
       }) {
    const Process::Result result = Muster({"run", image.path(), "--serial", where});
    CHECK(result.status == 2);
    CHECK(result.err == "muster: --serial " + why + "\n");
  }
}

TEST_CASE("one file for both --json and --trace, by whatever names, is refused") {
  const TemporaryFile image(testing::GoodImage().Build()), file;
  for (const std::string& other : {file.path(), "/tmp/.." + file.path()}) {
    const Process::Result result =
        Muster({"run", image.path(), "--json", file.path(), "--trace", other});
    CHECK(result.status == 2);
    CHECK(result.err == "muster: --json and --trace name the same file\n");
  }
}

TEST_CASE("no KVM, something else in its place, or one out of reach exit with 6 and say so") {
  const TemporaryFile image(testing::GoodImage().Build());
  const auto with_kvm = [&image](const std::string& path) {
    Process::Options options;
    options.environment = {"MUSTER_KVM=" + path};
    return Muster({"run", image.path()}, options);
  };
  const Process::Result absent = with_kvm("/nonexistent/kvm");
  CHECK(absent.status == 6);
  CHECK(Has(absent.err, "cannot open /nonexistent/kvm: No such file or directory (errno 2): "));
  CHECK(Has(absent.err,
            "\nmuster: or run it on an emulated machine, from the source tree: ./dev "
            "nested -- COMMAND\n"));
  const Process::Result other = with_kvm("/dev/null");
  CHECK(other.status == 6);
  CHECK(Has(other.err, "/dev/null is not KVM"));
  if (geteuid() == 0) {
    const TemporaryFile locked;
    chmod(locked.path().c_str(), 0);
    Process::Options options;
    options.environment = {"MUSTER_KVM=" + locked.path()};
    options.uid = 65534;
    const Process::Result denied = Muster({"run", image.path()}, options);
    if (denied.status == 127) {
      WARN("another user cannot reach " MUSTER_BINARY ": not tried with a KVM that is denied");
    } else {
      CHECK(denied.status == 6);
      CHECK(Has(denied.err, "Permission denied"));
    }
  }
}

}  // namespace
}  // namespace muster::vmm
