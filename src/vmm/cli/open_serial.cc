#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <muster/vmm/cli/empty_file.h>
#include <muster/vmm/cli/open_serial.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/report/os_error.h>
#include <muster/vmm/serial/client_peer.h>
#include <muster/vmm/serial/console_peer.h>
#include <muster/vmm/serial/fd_peer.h>
#include <muster/vmm/serial/pty.h>
#include <muster/vmm/serial/unix_listener.h>

namespace muster::vmm {
namespace {

// On a thread on which the signals that steer a run are blocked: they come to whoever supervises
// it, as if from the keyboard.
void Obey(ConsoleKeys::Command command) {
  switch (command) {
    case ConsoleKeys::Command::kQuit:
      kill(getpid(), SIGINT);
      return;
    case ConsoleKeys::Command::kPause:
      kill(getpid(), SIGTSTP);
      return;
    case ConsoleKeys::Command::kReport:
      kill(getpid(), SIGQUIT);
      return;
    case ConsoleKeys::Command::kHelp:
      Say(fmt::format("\nmuster: {}\n", ConsoleKeys::Help()));
      return;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenSerial>> OpenSerial::Open(const SerialChoice& choice,
                                                             RawTerminal& terminal) {
  std::unique_ptr<OpenSerial> serial(new OpenSerial);
  switch (choice.kind) {
    case SerialChoice::Kind::kStdio:
      serial->peer_ = std::make_unique<FdPeer>(STDIN_FILENO, STDOUT_FILENO);
      break;
    case SerialChoice::Kind::kConsole:
      serial->peer_ = std::make_unique<ConsolePeer>(
          STDIN_FILENO, STDOUT_FILENO,
          ConsolePeer::Hooks{.pressed = [&terminal] { terminal.Renew(); }, .command = Obey});
      if (terminal.exists()) serial->news_ = "Ctrl-A x ends the run, Ctrl-A h helps";
      break;
    case SerialChoice::Kind::kPty: {
      auto pty = Pty::Create();
      if (!pty.ok()) return pty.status();
      serial->news_ = "the guest's serial line is " + (*pty)->name();
      serial->peer_ = std::make_unique<ClientPeer>(*std::move(pty));
      break;
    }
    case SerialChoice::Kind::kUnix: {
      auto listener = UnixListener::Listen(choice.path);
      if (!listener.ok()) return listener.status();
      serial->peer_ = std::make_unique<ClientPeer>(*std::move(listener));
      break;
    }
    case SerialChoice::Kind::kFile:
    case SerialChoice::Kind::kNone: {
      const bool none = choice.kind == SerialChoice::Kind::kNone;
      const std::string path = none ? "/dev/null" : choice.path;
      serial->file_name_ = path;
      serial->file_ = vcpu::Fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));
      if (!serial->file_.valid()) {
        return absl::InvalidArgumentError(fmt::format("{}: {}", path, OsError()));
      }
      serial->peer_ = std::make_unique<FdPeer>(-1, serial->file_fd(), "--serial " + path);
      break;
    }
  }
  return serial;
}

absl::Status OpenSerial::Begin() {
  if (!file_.valid() || EmptyFile(file_.get())) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("--serial {}: {}", file_name_, OsError()));
}

}  // namespace muster::vmm
