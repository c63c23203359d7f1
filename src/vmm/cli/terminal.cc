#include <cstdio>
#include <cstring>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

#include <muster/vmm/cli/environment.h>
#include <muster/vmm/cli/terminal.h>

namespace muster::vmm {
namespace {

// POSIX, "Environment Variables": the first of these that is set decides.
bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* value = Environment(name)) {
      return strcasestr(value, "utf-8") != nullptr || strcasestr(value, "utf8") != nullptr;
    }
  }
  return false;
}

// Whether `fd` is a terminal that obeys escape sequences.
bool IsCapable(int fd) {
  const char* terminal = Environment("TERM");
  return isatty(fd) && terminal != nullptr && std::string_view(terminal) != "dumb";
}

}  // namespace

Style StyleFor(int fd) {
  Style style;
  style.unicode = LocaleIsUtf8();
  if (!isatty(fd)) return style;
  style.colour = Environment("NO_COLOR") == nullptr && IsCapable(fd);
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.terminal_width = size.ws_col;
  return style;
}

PassingLine::PassingLine(int fd, const std::string& text)
    : fd_(fd), shown_(!text.empty() && IsCapable(fd)) {
  if (shown_) dprintf(fd_, "%s", text.c_str());
}

PassingLine::~PassingLine() {
  if (shown_) dprintf(fd_, "\r\x1b[K");
}

}  // namespace muster::vmm
