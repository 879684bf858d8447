#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// Gives the next bytes of something, at most so many; 0 at its end.
using ByteSource = std::function<std::size_t(char* to, std::size_t most)>;
using ByteSink = std::function<void(std::string_view bytes)>;

// What a PipeRemote and its other end say to each other: a line of JSON, and where it says "size" that many
// bytes behind it. Throws Unavailable when the other one has gone or is silent for two minutes, Error for
// what is no such line. Not thread-safe.
class FrameStream {
 public:
  // Both must stay open as long as this; a socket is one for both.
  FrameStream(int in, int out) : in_(in), out_(out) {}

  // Nothing when the stream ends before. `patient`: waits as long as it takes.
  std::optional<nlohmann::json> read(bool patient = false);
  void read_bytes(std::uint64_t count, const ByteSink& sink);
  void write(const nlohmann::json& header);
  void write_bytes(std::string_view bytes);
  // Throws Error when the source has other than `count` bytes; then nothing that follows would be understood.
  void write_bytes(std::uint64_t count, const ByteSource& source);

 private:
  bool fill(bool patient);

  int in_;
  int out_;
  std::string read_;  // and not yet given
};

// A file's bytes, from where it is read.
ByteSource source_of(const FileDescriptor& file);

}  // namespace mlpipe
