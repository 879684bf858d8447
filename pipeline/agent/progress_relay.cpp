#include "pipeline/agent/progress_relay.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "pipeline/agent/log_writer.hpp"
#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr std::chrono::milliseconds interval{250};
constexpr off_t longest_line = 8 << 10;

// The last whole line, without its newline; empty when there is none, or it is too long.
std::string last_line(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const off_t size = file ? ::lseek(file.get(), 0, SEEK_END) : 0;
  const off_t begin = std::max<off_t>(0, size - 2 * longest_line);
  std::string tail(static_cast<std::size_t>(std::max<off_t>(0, size - begin)), '\0');
  const ssize_t count = tail.empty() ? 0 : ::pread(file.get(), tail.data(), tail.size(), begin);
  tail.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  const std::size_t end = tail.rfind('\n');
  if (end == std::string::npos) {
    return "";
  }
  tail.resize(end);
  const std::size_t before = tail.rfind('\n');
  const std::string line = before == std::string::npos ? tail : tail.substr(before + 1);
  return line.size() > static_cast<std::size_t>(longest_line) ? "" : line;
}

}  // namespace

ProgressRelay::ProgressRelay(std::filesystem::path file, int stream)
    : file_(std::move(file)), stream_(stream), changes_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  open_file(file_, O_WRONLY | O_CREAT, 0644);
  if (!changes_ || ::inotify_add_watch(changes_.get(), file_.c_str(), IN_MODIFY) < 0) {
    throw_errno(fmt::format("watching {}", file_.string()));
  }
}

std::optional<Clock::time_point> ProgressRelay::deadline() const {
  return changed_ ? std::optional(next_) : std::nullopt;
}

void ProgressRelay::forward() {
  std::array<char, 4096> events{};
  while (::read(changes_.get(), events.data(), events.size()) > 0) {
    changed_ = true;
  }
  if (changed_ && Clock::now() >= next_) {
    tell();
  }
}

void ProgressRelay::finish() {
  forward();
  tell();
}

void ProgressRelay::tell() {
  changed_ = false;
  next_ = Clock::now() + interval;
  std::string line = last_line(file_);
  if (line.empty() || line == told_) {
    return;
  }
  try {
    write_all(stream_, progress_mark + line + "\n", "progress");
  } catch (const Error&) {  // nobody listens
  }
  told_ = std::move(line);
}

}  // namespace mlpipe
