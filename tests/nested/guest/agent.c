// Runs commands for the host: starts them, passes their output and status on as it comes.
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct Command {
  pid_t pid;  // 0: none runs
  int out;    // read ends of its pipes; -1: closed
  int err;
};

static void WriteAll(const struct Channel* channel, const void* data, size_t size) {
  const char* bytes = data;
  if (channel->out < 0) {
    for (size_t i = 0; i < size; ++i) outb((unsigned char)bytes[i], 0xe9);
    return;
  }
  while (size > 0) {
    const ssize_t done = write(channel->out, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;  // the host has gone, and with it soon this machine
    bytes += done;
    size -= (size_t)done;
  }
}

void SendFrame(const struct Channel* channel, uint32_t type, const void* payload, uint32_t length) {
  const struct FrameHeader header = {kFrameMagic, type, length};
  WriteAll(channel, &header, sizeof(header));
  WriteAll(channel, payload, length);
}

// Passes on what is there, at most one buffer. Returns 0 at the end of the stream.
static int Forward(const struct Channel* channel, uint32_t type, int* fd) {
  char buffer[16 * 1024];
  const ssize_t size = read(*fd, buffer, sizeof(buffer));
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return errno == EINTR;
  if (size <= 0) {
    close(*fd);
    *fd = -1;
    return 0;
  }
  SendFrame(channel, type, buffer, (uint32_t)size);
  return 1;
}

_Noreturn static void Execute(const char* directory, char** argv, char** environment) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  if (chdir(directory) != 0) {
    dprintf(2, "%s: %s\n", directory, strerror(errno));
    _exit(126);
  }
  environ = environment;
  execvp(argv[0], argv);
  dprintf(2, "%s: %s\n", argv[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

// payload is that of a kRun frame, and ends in a NUL. Returns -1 where it cannot start.
static int Start(struct Command* command, char* payload, uint32_t length) {
  uint32_t argc;
  memcpy(&argc, payload, sizeof(argc));
  char* directory = payload + sizeof(argc);
  char** strings = calloc(length, sizeof(char*));
  uint32_t count = 0;
  for (char* at = directory + strlen(directory) + 1; at < payload + length; at += strlen(at) + 1) {
    if (count == argc) ++count;  // the NULL that ends argv
    strings[count++] = at;
  }
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return -1;
  command->pid = fork();
  if (command->pid == 0) {
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    Execute(directory, strings, strings + argc + 1);
  }
  close(out[1]);
  close(err[1]);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  fcntl(err[0], F_SETFL, O_NONBLOCK);
  command->out = out[0];
  command->err = err[0];
  free(strings);
  return command->pid < 0 ? -1 : 0;
}

// The command has ended: what it wrote goes out before its status. Its children, if any are left,
// end with it; the pipes are not waited for, which a stray child could hold for ever.
static void Finish(const struct Channel* channel, struct Command* command, int wait_status) {
  kill(-command->pid, SIGKILL);
  while (command->out >= 0 && Forward(channel, kOut, &command->out)) {
  }
  while (command->err >= 0 && Forward(channel, kErr, &command->err)) {
  }
  if (command->out >= 0) close(command->out);
  if (command->err >= 0) close(command->err);
  const uint32_t status = WIFSIGNALED(wait_status) ? 128u + (uint32_t)WTERMSIG(wait_status)
                                                   : (uint32_t)WEXITSTATUS(wait_status);
  *command = (struct Command){0, -1, -1};
  SendFrame(channel, kExit, &status, sizeof(status));
  SendFrame(channel, kReady, NULL, 0);
}

static void Reap(const struct Channel* channel, struct Command* command) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == command->pid) Finish(channel, command, status);
  }
}

static void Obey(const struct Channel* channel, struct Command* command,
                 const struct FrameHeader* header, char* payload) {
  if (header->type == kRun && command->pid == 0 && header->length > sizeof(uint32_t)) {
    if (Start(command, payload, header->length) != 0) {
      SendFrame(channel, kFatal, "fork failed", 11);
    }
  } else if (header->type == kSignal && command->pid != 0) {
    uint32_t signal_number;
    memcpy(&signal_number, payload, sizeof(signal_number));
    kill(-command->pid, (int)signal_number);
  }
}

// Reads what there is and obeys each frame that is whole. A frame may come in many pieces.
static void Receive(const struct Channel* channel, struct Command* command) {
  static char buffer[sizeof(struct FrameHeader) + kMaxPayload + 1];
  static size_t have;
  const ssize_t size = read(channel->in, buffer + have, sizeof(buffer) - 1 - have);
  if (size <= 0) return;
  have += (size_t)size;
  for (;;) {
    struct FrameHeader header;
    if (have < sizeof(header)) return;
    memcpy(&header, buffer, sizeof(header));
    if (header.magic != kFrameMagic || header.length > kMaxPayload) {
      memmove(buffer, buffer + 1, --have);  // noise on the line: the next byte may begin a frame
      continue;
    }
    const size_t whole = sizeof(header) + header.length;
    if (have < whole) return;
    const char after = buffer[whole];
    buffer[whole] = '\0';
    Obey(channel, command, &header, buffer + sizeof(header));
    buffer[whole] = after;
    have -= whole;
    memmove(buffer, buffer + whole, have);
  }
}

_Noreturn void ServeCommands(const struct Channel* channel) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  const int ended = signalfd(-1, &children, SFD_CLOEXEC);
  struct Command command = {0, -1, -1};
  SendFrame(channel, kReady, NULL, 0);
  for (;;) {
    struct pollfd polled[] = {{channel->in, POLLIN, 0},
                              {ended, POLLIN, 0},
                              {command.out, POLLIN, 0},
                              {command.err, POLLIN, 0}};
    if (poll(polled, 4, -1) < 0) continue;
    if (polled[2].revents) Forward(channel, kOut, &command.out);
    if (polled[3].revents) Forward(channel, kErr, &command.err);
    if (polled[1].revents) {
      struct signalfd_siginfo info;
      if (read(ended, &info, sizeof(info)) > 0) Reap(channel, &command);
    }
    if (polled[0].revents & POLLIN) Receive(channel, &command);
  }
}
