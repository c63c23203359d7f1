#pragma once

// What the emulated machine says to its host, and hears from it. A frame is kFrameMagic, a type,
// the payload's length (both of the host's byte order, which is the guest's) and the payload.
#include <stdint.h>

enum { kFrameMagic = 0xfa554df5u, kMaxPayload = 256 * 1024 };

enum FrameType {
  // From the host.
  kRun = 'R',     // uint32 argc, then strings ended by NUL: directory, argv, environment
  kSignal = 'S',  // uint32 signal, for the command's process group
  // From the guest.
  kReady = 'B',  // the next kRun may come
  kOut = 'O',    // the command's standard output
  kErr = 'E',    // and standard error
  kExit = 'X',   // uint32: its exit status, 128 + N after signal N
  kFatal = 'F',  // text: why the guest cannot serve
};

struct FrameHeader {
  uint32_t magic;
  uint32_t type;
  uint32_t length;
};

// Where frames come from and go to.
struct Channel {
  int in;   // file descriptor, or -1
  int out;  // file descriptor, or -1 for port 0xe9
};

void SendFrame(const struct Channel* channel, uint32_t type, const void* payload, uint32_t length);

// Runs what the host asks for, one command at a time. Never returns.
_Noreturn void ServeCommands(const struct Channel* channel);
