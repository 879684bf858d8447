#include "server/filter/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

namespace mlpipe {
namespace {

constexpr int gzip_window = MAX_WBITS + 16;  // zlib's way to say: gzip and nothing else
constexpr std::size_t step = std::size_t{64} << 10U;

// zlib reads through a pointer that is not const, and writes nothing there.
Bytef* input_of(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

class Inflater {
 public:
  explicit Inflater(std::string_view bytes) {
    stream_.next_in = input_of(bytes);
    stream_.avail_in = static_cast<uInt>(bytes.size());
    if (::inflateInit2(&stream_, gzip_window) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  // Fills `room`, and returns how much of it. Nothing: the stream is over.
  std::size_t read(char* room, std::size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(room);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0 && !is_over()) {
      if (member_ended_) {
        ::inflateReset(&stream_);
        member_ended_ = false;
      }
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        member_ended_ = true;
      } else if (result == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        throw NotGzip("it is not gzip");
      } else if (stream_.avail_in == 0 && stream_.avail_out > 0) {
        throw NotGzip("the gzip stream is cut off");
      }
    }
    return size - stream_.avail_out;
  }

 private:
  bool is_over() const { return member_ended_ && stream_.avail_in == 0; }

  z_stream stream_{};
  bool member_ended_ = false;
};

}  // namespace

std::string unpack_gzip(std::string_view bytes, std::size_t limit) {
  if (bytes.size() > std::numeric_limits<uInt>::max()) {
    throw TooMuchInGzip("it is too large");
  }
  Inflater inflater(bytes);
  std::string unpacked;
  std::size_t size = 0;
  while (true) {
    // One byte more than allowed is room enough to see that there is too much.
    unpacked.resize(std::min(limit + 1, size + std::max(step, size)));
    const std::size_t count = inflater.read(unpacked.data() + size, unpacked.size() - size);
    size += count;
    if (size > limit) {
      throw TooMuchInGzip("it is larger than allowed when unpacked");
    }
    if (size < unpacked.size()) {
      unpacked.resize(size);
      return unpacked;
    }
  }
}

std::string pack_gzip(std::string_view bytes) {
  z_stream stream{};
  constexpr int memory_level = 8;  // zlib's default
  if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<z_stream, decltype(&::deflateEnd)> ending(&stream, &::deflateEnd);
  std::string packed;
  packed.resize(::deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = input_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ::deflate(&stream, Z_FINISH);  // in one call: the bound has room for all of it
  packed.resize(packed.size() - stream.avail_out);
  return packed;
}

}  // namespace mlpipe
