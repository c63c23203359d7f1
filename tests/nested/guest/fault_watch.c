#define _GNU_SOURCE
#include "fault_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"

static int Write(const char* path, const char* text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const ssize_t length = (ssize_t)strlen(text);
  const ssize_t written = write(file, text, (size_t)length);
  close(file);
  return written == length ? 0 : -1;
}

// Where the module's code lies, from /proc/modules. 0: it is not loaded.
static int FindModule(const char* wanted, unsigned long* base, unsigned long* size) {
  FILE* const file = fopen("/proc/modules", "re");
  if (file == NULL) return 0;
  char name[64];
  int found = 0;
  while (!found && fscanf(file, "%63s %lu %*s %*s %*s %lx%*[^\n]", name, size, base) == 3) {
    found = strcmp(name, wanted) == 0;
  }
  fclose(file);
  return found;
}

int OpenFaultWatch(void (*fail)(const char* what, const char* which)) {
  unsigned long base = 0, size = 0;
  if (!FindModule("kvm_amd", &base, &size)) return -1;
  if (mount("tracing", TRACING, "tracefs", 0, NULL) != 0) fail("cannot mount", TRACING);
  char filter[128];
  snprintf(filter, sizeof(filter), "guest_rip >= 0x%lx && guest_rip < 0x%lx", base, base + size);
  // Nothing of it is ever recorded but what is looked for. 0: the first record wakes its reader.
  const char* const wanted[][2] = {{TRACING "/buffer_size_kb", "16"},
                                   {TRACING "/buffer_percent", "0"},
                                   {TRACING "/events/kvm/kvm_exit/filter", filter},
                                   {TRACING "/events/kvm/kvm_exit/enable", "1"}};
  for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); ++i) {
    if (Write(wanted[i][0], wanted[i][1]) != 0) fail("cannot write", wanted[i][0]);
  }
  const int watch = open(TRACING "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (watch < 0) fail("cannot open", TRACING "/trace_pipe");
  return watch;
}

int ReadFaultWatch(int watch, char* line, int size) {
  int length = 0;
  char buffer[4096];
  ssize_t got;
  while (watch >= 0 && (got = read(watch, buffer, sizeof(buffer) - 1)) > 0) {
    buffer[got] = '\0';
    if (length == 0) {
      buffer[strcspn(buffer, "\n")] = '\0';
      const char* const event = strstr(buffer, "kvm_exit: ");
      length = snprintf(line, (size_t)size, "%s", event != NULL ? event : buffer);
    }
  }
  return length < size ? length : size - 1;
}
