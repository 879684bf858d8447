#include "pipeline/agent/prefixed_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t longest_line = 64 << 10;

}  // namespace

FileDescriptor PrefixedLog::add(std::string prefix) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  if (::fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) {
    throw_errno("making a pipe");
  }
  sources_.push_back({std::move(prefix), std::move(reading), ""});
  return writing;
}

std::vector<int> PrefixedLog::descriptors() const {
  std::vector<int> descriptors;
  for (const Source& source : sources_) {
    if (source.end) {
      descriptors.push_back(source.end.get());
    }
  }
  return descriptors;
}

void PrefixedLog::forward() {
  for (Source& source : sources_) {
    if (source.end) {
      read(source);
    }
  }
}

void PrefixedLog::finish() {
  forward();
  for (Source& source : sources_) {
    write(source, source.partial.size());
  }
}

void PrefixedLog::read(Source& source) {
  std::array<char, 16 << 10> bytes{};
  ssize_t count = 0;
  while ((count = ::read(source.end.get(), bytes.data(), bytes.size())) > 0) {
    source.partial.append(bytes.data(), static_cast<std::size_t>(count));
    const std::size_t newline = source.partial.rfind('\n');
    if (newline != std::string::npos) {
      write(source, newline + 1);
    } else if (source.partial.size() >= longest_line) {
      write(source, source.partial.size());
    }
  }
  if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    source.end.close();
  }
}

void PrefixedLog::write(Source& source, std::size_t length) const {
  std::string text;
  for (std::size_t at = 0; at < length;) {
    const std::size_t end = std::min(source.partial.find('\n', at), length - 1) + 1;
    text += source.prefix;
    text.append(source.partial, at, end - at);
    at = end;
  }
  source.partial.erase(0, length);
  if (!text.empty() && text.back() != '\n') {
    text += '\n';
  }
  log_.write(std::move(text));
}

}  // namespace mlpipe
