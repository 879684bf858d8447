#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/array.hpp"

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

// The values behind the header, whose count must fill the file exactly.
NumericArray::Values values_of(unsigned char type, std::string_view bytes, std::size_t count,
                               const std::string& name) {
  const auto checked = [&](std::size_t size) {
    if (bytes.size() % size != 0 || bytes.size() / size != count) {
      refuse(name,
             fmt::format("its header announces {} values of {} bytes, and {} bytes follow", count, size,
                         bytes.size()),
             "the file is cut off or damaged");
    }
    return bytes;
  };
  switch (type) {
    case 0x08:
      return numbers_from<std::uint8_t>(checked(1), true);
    case 0x0C:
      return numbers_from<std::int32_t>(checked(4), true);
    case 0x0D:
      return numbers_from<float>(checked(4), true);
    case 0x0E:
      return numbers_from<double>(checked(8), true);
    default:
      refuse(
          name, fmt::format("its numbers are of the type 0x{:02x}, which is not read", type),
          "types that are read: 08 (unsigned bytes), 0c (32-bit integers), 0d and 0e (32 and 64-bit floats)");
  }
}

NumericArray read_idx_array(const std::filesystem::path& path) {
  require_data_file(path);
  const std::string name = path.string();
  const std::string bytes = read_file(path);
  if (bytes.starts_with("\x1f\x8b")) {
    refuse(name, "it is compressed with gzip", "unpack it with gunzip");
  }
  if (bytes.size() < magic_size || bytes[0] != 0 || bytes[1] != 0 || bytes[3] == 0) {
    refuse(name, "it does not begin like an IDX file");
  }
  const auto sizes = static_cast<unsigned char>(bytes[3]);
  const std::size_t header = magic_size + sizes * size_size;
  if (bytes.size() < header) {
    refuse(name, fmt::format("it ends within its header of {} sizes", sizes));
  }
  NumericArray array;
  array.name = name;
  for (std::size_t i = 0; i < sizes; ++i) {
    array.shape.push_back(static_cast<std::int64_t>(unsigned_at(bytes, magic_size + i * size_size)));
  }
  array.values = values_of(static_cast<unsigned char>(bytes[2]), std::string_view(bytes).substr(header),
                           element_count(array.shape), name);
  return array;
}

}  // namespace

RawData read_idx(const IdxSource& source) {
  NumericArray images = read_idx_array(source.images);
  RawData data;
  data.source = source.images.string();
  data.shape = example_shape(images);
  data.examples = examples_from(std::move(images), read_idx_array(source.labels));
  if (source.test_images && source.test_labels) {
    NumericArray test_images = read_idx_array(*source.test_images);
    if (example_shape(test_images) != data.shape) {
      refuse(test_images.name,
             fmt::format("its examples have the shape {}, and those of {} have {}",
                         shape_text(example_shape(test_images)), data.source, shape_text(data.shape)));
    }
    data.test = examples_from(std::move(test_images), read_idx_array(*source.test_labels));
  }
  return data;
}

}  // namespace mlpipe
