#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mlpipe {

// Bytes that are no gzip stream, or not a whole one.
class NotGzip : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Bytes that unpack to more than was allowed.
class TooMuchInGzip : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Unpacks a gzip stream of one or more members. It stops at the first byte beyond `limit`, so that memory and
// time are bounded by the limit whatever the stream says of itself. Throws NotGzip and TooMuchInGzip.
std::string unpack_gzip(std::string_view bytes, std::size_t limit);

// One member, packed for speed.
std::string pack_gzip(std::string_view bytes);

}  // namespace mlpipe
