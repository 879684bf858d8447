#include "pipeline/oci/frame_stream.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "pipeline/oci/http.hpp"

namespace mlpipe {
namespace {

constexpr int silence_ms = 120'000;
constexpr std::size_t piece = std::size_t{256} << 10U;
constexpr std::size_t longest_header = std::size_t{64} << 20U;

}  // namespace

// False at the end of the stream.
bool FrameStream::fill(bool patient) {
  pollfd waiting{in_, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&waiting, 1, patient ? -1 : silence_ms)) < 0 && errno == EINTR) {
  }
  if (ready == 0) {
    throw Unavailable("the other end says nothing");
  }
  const std::size_t held = read_.size();
  read_.resize(held + piece);
  ssize_t count = 0;
  while ((count = ::read(in_, read_.data() + held, piece)) < 0 && errno == EINTR) {
  }
  read_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return count > 0;
}

std::optional<nlohmann::json> FrameStream::read(bool patient) {
  std::size_t end = read_.find('\n');
  for (std::size_t seen = 0; end == std::string::npos; end = read_.find('\n', seen)) {
    seen = read_.size();
    if (seen > longest_header) {
      throw Error("the other end sends a line without end");
    }
    if (!fill(patient)) {
      if (!read_.empty()) {
        throw Unavailable("the other end has gone in the middle of a line");
      }
      return std::nullopt;
    }
  }
  nlohmann::json header = nlohmann::json::parse(read_.substr(0, end), nullptr, false);
  read_.erase(0, end + 1);
  if (!header.is_object()) {
    throw Error("the other end sends what is no line of JSON");
  }
  return header;
}

void FrameStream::read_bytes(std::uint64_t count, const ByteSink& sink) {
  while (count > 0) {
    if (read_.empty() && !fill(false)) {
      throw Unavailable("the other end has gone in the middle of a file");
    }
    const std::size_t taken = std::min<std::uint64_t>(count, read_.size());
    sink(std::string_view(read_).substr(0, taken));
    read_.erase(0, taken);
    count -= taken;
  }
}

void FrameStream::write(const nlohmann::json& header) {
  write_bytes(header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void FrameStream::write_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    // To a socket whose other end has gone without a signal.
    ssize_t count = ::send(out_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK) {
      count = ::write(out_, bytes.data(), bytes.size());
    }
    if (count < 0 && errno != EINTR) {
      throw Unavailable("the other end has gone");
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

void FrameStream::write_bytes(std::uint64_t count, const ByteSource& source) {
  std::string buffer(piece, '\0');
  std::size_t got = 0;
  while ((got = source(buffer.data(), buffer.size())) > 0) {
    if (got > count) {
      throw Error("a file has become longer while it was sent");
    }
    write_bytes(std::string_view(buffer).substr(0, got));
    count -= got;
  }
  if (count > 0) {
    throw Error("a file has become shorter while it was sent");
  }
}

ByteSource source_of(const FileDescriptor& file) {
  return [descriptor = file.get()](char* to, std::size_t most) {
    ssize_t count = 0;
    while ((count = ::read(descriptor, to, most)) < 0 && errno == EINTR) {
    }
    if (count < 0) {
      throw_errno("reading a file");
    }
    return static_cast<std::size_t>(count);
  };
}

}  // namespace mlpipe
