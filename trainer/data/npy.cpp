#include "trainer/data/npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t most_sizes = 8;

[[noreturn]] void refuse(const std::string& name, const std::string& why, const std::string& hint = "") {
  throw UsageError(fmt::format("{}: {}", name, why), hint);
}

struct Header {
  std::string type;
  Shape shape;
  std::string_view data;
};

// What stands behind a key of the header, which is a Python dictionary of one line.
std::string_view behind(std::string_view header, std::string_view key, const std::string& name) {
  const std::size_t found = header.find(fmt::format("'{}':", key));
  if (found == std::string_view::npos) {
    refuse(name, fmt::format("its header has no '{}'", key), "it is no array that NumPy wrote");
  }
  return trim(header.substr(found + key.size() + 3));
}

Shape read_shape(std::string_view text, const std::string& name) {
  const std::size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) {
    refuse(name, "the shape in its header is not a tuple");
  }
  Shape shape;
  for (const std::string& part : split(text.substr(1, end - 1), ',')) {
    const std::string_view size = trim(part);
    if (size.empty()) {
      continue;  // behind the comma of a tuple of one
    }
    const auto value = parse_integer(size);
    if (!value || *value < 0 || shape.size() == most_sizes) {
      refuse(name, fmt::format("the shape in its header, ({}), cannot be read",
                               printable(text.substr(1, end - 1)).substr(0, 60)));
    }
    shape.push_back(*value);
  }
  return shape;
}

Header read_header(std::string_view bytes, const std::string& name) {
  constexpr std::size_t version_at = 6;
  constexpr std::size_t length_at = 8;
  if (bytes.size() < length_at + 4 || !bytes.starts_with(magic)) {
    refuse(name, "it does not begin like a NumPy array");
  }
  const int version = static_cast<unsigned char>(bytes[version_at]);
  if (version < 1 || version > 3) {
    refuse(name, fmt::format("its format is of version {}, and 1 to 3 are read", version));
  }
  const std::size_t length_size = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = length_size; i-- > 0;) {
    length = length << 8U | static_cast<unsigned char>(bytes[length_at + i]);
  }
  if (length > bytes.size() - length_at - length_size) {
    refuse(name, "its header is longer than the array");
  }
  const std::string_view header = bytes.substr(length_at + length_size, length);
  if (!behind(header, "fortran_order", name).starts_with("False")) {
    refuse(name, "it is in Fortran order", "write it with numpy.ascontiguousarray");
  }
  const std::string_view type = behind(header, "descr", name);
  const std::size_t quote = type.find('\'', 1);
  if (!type.starts_with('\'') || quote == std::string_view::npos) {
    refuse(name, "its values are records, and only plain numbers are read");
  }
  return {std::string(type.substr(1, quote - 1)), read_shape(behind(header, "shape", name), name),
          bytes.substr(length_at + length_size + length)};
}

constexpr std::array<std::pair<std::string_view, NumberType>, 8> types = {{
    {"|b1", NumberType::uint8},
    {"|u1", NumberType::uint8},
    {"|i1", NumberType::int8},
    {"<i2", NumberType::int16},
    {"<i4", NumberType::int32},
    {"<i8", NumberType::int64},
    {"<f4", NumberType::float32},
    {"<f8", NumberType::float64},
}};

}  // namespace

NumericArray parse_npy(const StoredBytes& stored, const std::string& name) {
  const Header header = read_header(stored.view(), name);
  const auto type = std::find_if(types.begin(), types.end(),
                                 [&header](const auto& known) { return known.first == header.type; });
  if (type == types.end()) {
    refuse(name, fmt::format("its numbers are of the type {}, which is not read", printable(header.type)),
           "types that are read: |b1, |u1, |i1, <i2, <i4, <i8, <f4, <f8");
  }
  NumericArray array{name, header.shape, type->second, false, stored, header.data};
  require_whole(array);
  return array;
}

}  // namespace mlpipe
