#include "tests/trainer/files.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

namespace mlpipe::testing {

std::string npy_bytes(const std::string& type, const Shape& shape, const std::string& data,
                      const std::string& fortran_order) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': ({}{}), }}", type,
                                   fortran_order, fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr std::size_t before = 10;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += {'\1', '\0', static_cast<char>(header.size() % 256), static_cast<char>(header.size() / 256)};
  return bytes + header + data;
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& entries,
               const std::string& compression) {
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  archive_write_set_format_zip(writer.get());
  archive_write_set_format_option(writer.get(), "zip", "compression", compression.c_str());
  if (archive_write_open_filename(writer.get(), path.c_str()) != ARCHIVE_OK) {
    throw std::runtime_error(archive_error_string(writer.get()));
  }
  for (const auto& [name, bytes] : entries) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                         archive_entry_free);
    archive_entry_set_pathname(entry.get(), (name + ".npy").c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_write_header(writer.get(), entry.get());
    archive_write_data(writer.get(), bytes.data(), bytes.size());
  }
  archive_write_close(writer.get());
}

std::string tensor_bytes(const std::vector<TensorBytes>& tensors) {
  auto header = nlohmann::ordered_json::object();
  std::string data;
  for (const TensorBytes& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.type},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data;
}

std::string idx_bytes(unsigned char type, const std::vector<std::uint32_t>& sizes, const std::string& data) {
  std::string bytes = {'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      bytes += static_cast<char>(size >> shift & 0xFFU);
    }
  }
  return bytes + data;
}

std::string image_bytes(const std::vector<std::uint8_t>& labels, std::uint32_t seed) {
  constexpr std::size_t side = 28;
  std::mt19937 random(seed);
  std::string bytes;
  for (const std::uint8_t label : labels) {
    std::string image(side * side, '\0');
    for (char& pixel : image) {
      pixel = static_cast<char>(random() % 40);
    }
    for (std::size_t i = 0; i < 36; ++i) {
      const std::size_t row = label / 3 * 9 + i / 6;
      const std::size_t column = label % 3 * 9 + i % 6;
      image[row * side + column] = static_cast<char>(200 + random() % 56);
    }
    bytes += image;
  }
  return bytes;
}

std::vector<std::uint8_t> cycling_labels(std::size_t count, std::uint8_t classes) {
  std::vector<std::uint8_t> labels(count);
  for (std::size_t i = 0; i < count; ++i) {
    labels[i] = static_cast<std::uint8_t>(i % classes);
  }
  return labels;
}

std::string bytes_of(const std::vector<std::uint8_t>& values) {
  return {values.begin(), values.end()};
}

}  // namespace mlpipe::testing
