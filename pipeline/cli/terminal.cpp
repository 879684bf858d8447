#include "pipeline/cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace mlpipe {

Terminal Terminal::standard_error() {
  return of(STDERR_FILENO);
}
Terminal Terminal::standard_output() {
  return of(STDOUT_FILENO);
}

Terminal Terminal::of(int descriptor) {
  Terminal terminal;
  const char* kind = std::getenv("TERM");
  terminal.live_ = ::isatty(descriptor) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
  const char* no_color = std::getenv("NO_COLOR");
  terminal.coloured_ = terminal.live_ && (no_color == nullptr || *no_color == '\0');
  winsize size{};
  if (terminal.live_ && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width_ = size.ws_col;
  }
  return terminal;
}

std::string Terminal::painted(std::string_view code, std::string_view text) const {
  return coloured_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

}  // namespace mlpipe
