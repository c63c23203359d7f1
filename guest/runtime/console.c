#include "runtime/console.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wait.h"
#include "runtime/x86.h"

enum {
  kCom1 = 0x3F8,
  kFifoControl = kCom1 + 2,
  kLineControl = kCom1 + 3,
  kLineStatus = kCom1 + 5,
  kTransmitterEmpty = 0x20,
  kFifoSize = 16,
  kDebugConsole = 0xE9,
  kLineLength = 200,
};

struct Line {
  char text[kLineLength + 1];  // room for the newline
  size_t length;
};

static struct SpinLock console_lock;
static bool use_debug_console;

void UseDebugConsole(void) { use_debug_console = true; }

void InitConsole(void) {
  WritePort8(kLineControl, 0x03);  // 8 bits, no parity, 1 stop bit
  WritePort8(kFifoControl, 0x07);  // FIFOs on and empty
}

static void WriteOut(const struct Line* line) {
  for (size_t i = 0; i < line->length; ++i) {
    if (use_debug_console) {
      WritePort8(kDebugConsole, (uint8_t)line->text[i]);
      continue;
    }
    // An empty transmitter takes a whole FIFO, so ask once for 16 characters.
    if (i % kFifoSize == 0) {
      while (!(ReadPort8(kLineStatus) & kTransmitterEmpty)) Pause();
    }
    WritePort8(kCom1, (uint8_t)line->text[i]);
  }
}

static void Append(struct Line* line, char c) {
  if (line->length < kLineLength) line->text[line->length++] = c;
}

static void AppendString(struct Line* line, const char* s) {
  while (*s != '\0') Append(line, *s++);
}

static void AppendNumber(struct Line* line, uint64_t value, unsigned base, unsigned width,
                         char pad) {
  char digits[20];
  unsigned n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  for (; width > n; --width) Append(line, pad);
  while (n != 0) Append(line, digits[--n]);
}

static void Format(struct Line* line, const char* format, va_list arguments) {
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      Append(line, *format);
      continue;
    }
    ++format;
    const char pad = *format == '0' ? '0' : ' ';
    unsigned width = 0;
    while (*format >= '0' && *format <= '9') width = width * 10 + (unsigned)(*format++ - '0');
    const bool is_long = *format == 'l';
    if (is_long) ++format;
    switch (*format) {
      case 'u':
        AppendNumber(line, is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t), 10,
                     width, pad);
        break;
      case 'x':
        AppendNumber(line, is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t), 16,
                     width, pad);
        break;
      case 'd': {
        const int64_t value = is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int32_t);
        if (value < 0) Append(line, '-');
        AppendNumber(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, width, pad);
        break;
      }
      case 's':
        AppendString(line, va_arg(arguments, const char*));
        break;
      case 'c':
        Append(line, (char)va_arg(arguments, int));
        break;
      case '\0':
        return;
      default:
        Append(line, *format);
    }
  }
}

void Print(const char* format, ...) {
  struct Line line;
  line.length = 0;
  va_list arguments;
  va_start(arguments, format);
  Format(&line, format, arguments);
  va_end(arguments);
  line.text[line.length++] = '\n';

  const uint64_t flags = SaveAndDisableInterrupts();
  Lock(&console_lock);
  WriteOut(&line);
  Unlock(&console_lock);
  RestoreInterrupts(flags);
}

void PrintFailure(uint32_t cpu, const char* format, va_list arguments) {
  struct Line line;
  line.length = 0;
  AppendString(&line, "FAIL cpu ");
  AppendNumber(&line, cpu, 10, 0, ' ');
  AppendString(&line, ": ");
  Format(&line, format, arguments);
  line.text[line.length++] = '\n';
  WriteOut(&line);
}
