#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "trainer/data/array_data.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t magic_size = 4;  // two zeros, the type of the numbers, the number of sizes
constexpr std::size_t size_size = 4;   // each size, big-endian

[[noreturn]] void refuse(const std::string& name, const std::string& why, const std::string& hint = "") {
  throw UsageError(fmt::format("{}: {}", name, why), hint);
}

std::size_t unsigned_at(std::string_view bytes, std::size_t position) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < size_size; ++i) {
    value = value << 8U | static_cast<unsigned char>(bytes[position + i]);
  }
  return value;
}

NumberType type_of(unsigned char code, const std::string& name) {
  switch (code) {
    case 0x08:
      return NumberType::uint8;
    case 0x09:
      return NumberType::int8;
    case 0x0B:
      return NumberType::int16;
    case 0x0C:
      return NumberType::int32;
    case 0x0D:
      return NumberType::float32;
    case 0x0E:
      return NumberType::float64;
    default:
      refuse(name, fmt::format("its numbers are of the type 0x{:02x}, which is not read", code),
             "types that are read: 08 and 09 (bytes), 0b and 0c (16 and 32-bit integers), 0d and 0e (32 and "
             "64-bit floats)");
  }
}

NumericArray read_idx_array(const std::filesystem::path& path) {
  NumericArray array;
  array.name = path.string();
  array.stored = map_file(path);
  array.big_endian = true;
  const std::string_view bytes = array.stored.view();
  if (bytes.starts_with("\x1f\x8b")) {
    refuse(array.name, "it is compressed with gzip", "unpack it with gunzip");
  }
  if (bytes.size() < magic_size || bytes[0] != 0 || bytes[1] != 0 || bytes[3] == 0) {
    refuse(array.name, "it does not begin like an IDX file");
  }
  const auto sizes = static_cast<unsigned char>(bytes[3]);
  const std::size_t header = magic_size + sizes * size_size;
  if (bytes.size() < header) {
    refuse(array.name, fmt::format("it ends within its header of {} sizes", sizes));
  }
  for (std::size_t i = 0; i < sizes; ++i) {
    array.shape.push_back(static_cast<std::int64_t>(unsigned_at(bytes, magic_size + i * size_size)));
  }
  array.type = type_of(static_cast<unsigned char>(bytes[2]), array.name);
  array.bytes = bytes.substr(header);
  require_whole(array);
  return array;
}

}  // namespace

RawData read_idx(const IdxSource& source, const ReadOptions& options) {
  ArrayPair training{read_idx_array(source.images), read_idx_array(source.labels)};
  std::optional<ArrayPair> test;
  if (source.test_images && source.test_labels) {
    test = ArrayPair{read_idx_array(*source.test_images), read_idx_array(*source.test_labels)};
  }
  return data_from_arrays(source.images.string(), std::move(training), std::move(test), options.task);
}

}  // namespace mlpipe
