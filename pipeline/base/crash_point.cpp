#include "pipeline/base/crash_point.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

struct Wish {
  long kill_at = 0;  // 0: never
  const char* log = std::getenv("MLPIPE_CRASH_LOG");
};

Wish read_wish() {
  Wish wish;
  if (const char* text = std::getenv("MLPIPE_CRASH_AT")) {
    const std::string_view place = text;
    const std::string prefix = fmt::format("{}:", ::program_invocation_short_name);
    if (place.starts_with(prefix)) {
      std::from_chars(place.data() + prefix.size(), place.data() + place.size(), wish.kill_at);
    }
  }
  return wish;
}

}  // namespace

void crash_point(std::string_view name) {
  static const Wish wish = read_wish();
  if (wish.kill_at == 0 && wish.log == nullptr) {
    return;
  }
  if (wish.log != nullptr) {
    const FileDescriptor file = open_file(wish.log, O_WRONLY | O_APPEND | O_CREAT);
    write_all(file.get(), fmt::format("{} {}\n", ::program_invocation_short_name, name), wish.log);
  }
  static std::atomic<long> passed = 0;  // points count for the process as a whole
  if (++passed == wish.kill_at) {
    ::kill(::getpid(), SIGKILL);
  }
}

}  // namespace mlpipe
