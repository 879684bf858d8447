#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/model/shape.hpp"

namespace mlpipe::testing {

// The bytes of a .npy file around `data`.
std::string npy_bytes(const std::string& type, const Shape& shape, const std::string& data,
                      const std::string& fortran_order = "False");

// An archive as numpy.savez_compressed writes it: each entry is "NAME.npy"; with the compression "store" as
// numpy.savez does.
void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& entries,
               const std::string& compression = "deflate");

struct TensorBytes {
  std::string name;
  std::string type;
  Shape shape;
  std::string bytes;
};

// The bytes of a safetensors file, which says what it is told to.
std::string tensor_bytes(const std::vector<TensorBytes>& tensors);

// The bytes of an IDX file: type 0x08 for unsigned bytes.
std::string idx_bytes(unsigned char type, const std::vector<std::uint32_t>& sizes, const std::string& data);

// Images of 28×28 bytes, one for each label, each with a bright block whose place tells the label: learnable.
std::string image_bytes(const std::vector<std::uint8_t>& labels, std::uint32_t seed);
std::vector<std::uint8_t> cycling_labels(std::size_t count, std::uint8_t classes);
std::string bytes_of(const std::vector<std::uint8_t>& values);

}  // namespace mlpipe::testing
