// Process 1 of the emulated machine: makes the host's files its own, then serves commands.
//
// /modules names the modules to load, in order; /writable the directories of the host that may be
// written. On the kernel's command line, muster.files says where the files are: `virtiofs` (the
// whole host) or a disk.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

#define ROOT "/host"

static struct Channel channel = {-1, -1};

// The kernel's log reaches the host whatever has failed.
_Noreturn static void Fatal(const char* what, const char* which) {
  char text[512];
  const int length =
      snprintf(text, sizeof(text), "nested guest: %s %s: %s\n", what, which, strerror(errno));
  const int log = open("/dev/console", O_WRONLY);
  if (log >= 0) (void)!write(log, text, (size_t)length);
  if (channel.in >= 0) SendFrame(&channel, kFatal, text, (uint32_t)length);
  sleep(1);  // for the line to drain
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

static void Mount(const char* source, const char* target, const char* type, unsigned long flags) {
  if (mount(source, target, type, flags, NULL) != 0) Fatal("cannot mount", target);
}

// Calls handle(line) for each line of a file.
static void ForEachLine(const char* path, void (*handle)(const char* line)) {
  FILE* file = fopen(path, "re");
  if (file == NULL) Fatal("cannot open", path);
  char line[4096];
  while (fgets(line, sizeof(line), file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    handle(line);
  }
  fclose(file);
}

static void LoadModule(const char* name) {
  char path[256];
  snprintf(path, sizeof(path), "/lib/%s.ko", name);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) Fatal("no module", path);
  if (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST) {
    Fatal("cannot load module", name);
  }
  close(file);
}

// Waits up to ten seconds for a device that a module has promised.
static int OpenDevice(const char* path, int flags) {
  for (int i = 0; i < 1000; ++i) {
    const int device = open(path, flags | O_CLOEXEC);
    if (device >= 0) return device;
    usleep(10 * 1000);
  }
  Fatal("no device", path);
}

// KVM turns SVM on for its first machine and off after its last. Under this emulation the host
// locks up when that happens often, so one idle machine lives as long as the host.
static void HoldIdleVm(void) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) Fatal("cannot open", "/dev/kvm");
  if (fork() != 0) {
    close(kvm);
    return;
  }
  prctl(PR_SET_NAME, "idle-vm");
  const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0) Fatal("cannot create", "the idle machine");
  for (;;) pause();
}

// Commands run on all CPUs but the first, which this QEMU (7.2) spoils for guests: each FXRSTOR or
// XRSTOR of any CPU ends in cpu_clear_ignne(), which takes a bit out of the *first* CPU's hflags2
// with no lock. That word also holds what SVM goes by (GIF, nested paging, V_INTR_MASKING), and a
// change that VMRUN or #VMEXIT makes meanwhile is undone.
static void LeaveBootCpu(void) {
  cpu_set_t rest;
  CPU_ZERO(&rest);
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  for (int cpu = 1; cpu < cpus; ++cpu) CPU_SET(cpu, &rest);
  if (sched_setaffinity(0, sizeof(rest), &rest) != 0) Fatal("cannot leave", "CPU 0");
}

static void MakeWritable(const char* directory) {
  char path[4200];
  snprintf(path, sizeof(path), ROOT "%s", directory);
  Mount(path, path, NULL, MS_BIND);
  if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL) != 0) Fatal("cannot make writable", path);
}

// The host's tree, read-only but where /writable says otherwise.
static void MountHostFiles(void) {
  mkdir(ROOT, 0755);
  Mount("host", ROOT, "virtiofs", 0);
  if (mount(NULL, ROOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) {
    Fatal("cannot protect", ROOT);
  }
  ForEachLine("/writable", MakeWritable);
  Mount("run", ROOT "/run", "tmpfs", 0);
}

// A disk that holds what the command needs, and nothing of the host's.
static void MountDisk(const char* device) {
  close(OpenDevice(device, O_RDONLY));
  mkdir(ROOT, 0755);
  Mount(device, ROOT, "ext4", 0);
  static const char* const kDirectories[] = {"/proc", "/sys", "/dev", "/run", "/tmp"};
  for (size_t i = 0; i < sizeof(kDirectories) / sizeof(*kDirectories); ++i) {
    char path[64];
    snprintf(path, sizeof(path), ROOT "%s", kDirectories[i]);
    mkdir(path, 01777);
  }
}

static void EnterRoot(void) {
  Mount("/proc", ROOT "/proc", NULL, MS_MOVE);
  Mount("/sys", ROOT "/sys", NULL, MS_MOVE);
  Mount("/dev", ROOT "/dev", NULL, MS_MOVE);
  if (chroot(ROOT) != 0 || chdir("/") != 0) Fatal("cannot enter", ROOT);
  mkdir("/dev/shm", 01777);
  Mount("shm", "/dev/shm", "tmpfs", 0);
  mkdir("/dev/pts", 0755);
  Mount("devpts", "/dev/pts", "devpts", 0);
  (void)!symlink("/proc/self/fd", "/dev/fd");
  (void)!symlink("/proc/self/fd/0", "/dev/stdin");
  (void)!symlink("/proc/self/fd/1", "/dev/stdout");
  (void)!symlink("/proc/self/fd/2", "/dev/stderr");
}

// Bochs has no virtio: commands come by the second serial line, answers go out by port 0xe9.
static void OpenBochsChannel(void) {
  if (iopl(3) != 0) Fatal("cannot use", "port 0xe9");
  channel.in = OpenDevice("/dev/ttyS1", O_RDWR | O_NOCTTY);
  struct termios raw;
  tcgetattr(channel.in, &raw);
  cfmakeraw(&raw);
  cfsetspeed(&raw, B115200);
  tcsetattr(channel.in, TCSANOW, &raw);
}

int main(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  Mount("dev", "/dev", "devtmpfs", 0);
  Mount("proc", "/proc", "proc", 0);
  Mount("sys", "/sys", "sysfs", 0);
  ForEachLine("/modules", LoadModule);

  // The kernel puts what it does not know, and what has a dot in it does not count, elsewhere.
  char command_line[2048] = "";
  const int file = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  (void)!read(file, command_line, sizeof(command_line) - 1);
  close(file);
  if (strstr(command_line, "muster.files=virtiofs") != NULL) {
    channel.in = channel.out = OpenDevice("/dev/vport0p1", O_RDWR);
    MountHostFiles();
    LeaveBootCpu();
  } else {
    OpenBochsChannel();
    MountDisk("/dev/sda");
  }
  EnterRoot();
  HoldIdleVm();
  ServeCommands(&channel);
}
