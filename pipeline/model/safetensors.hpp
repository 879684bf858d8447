#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/shape.hpp"

namespace mlpipe {

// One named tensor, FP32, row-major.
struct NamedTensor {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

// The safetensors format (github.com/huggingface/safetensors, format description in its README): a length, a
// JSON header, the bytes. Tensors are written in the given order, the same bytes for the same tensors.
// Reading throws Error, naming the file, for a header that lies: overlapping, out of the file, wrong size, a
// dtype other than F32, deeper or larger than the limits.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors);
std::vector<NamedTensor> read_safetensors(const std::filesystem::path& path);

// One tensor where it lies in a file, of whatever type.
struct TensorView {
  std::string name;
  std::string type;  // "F32", "U8", as the format names it
  Shape shape;
  std::string_view bytes;  // into what was parsed; as many as type and shape take
};

// The tensors of a file in memory, in the order of their places, without copying them. Throws Error as
// reading does, but for the types: all of BOOL, U8, I8, I16, F16, BF16, I32, F32, I64, F64 and the unsigned
// ones pass.
std::vector<TensorView> view_safetensors(std::string_view bytes, const std::string& file);

// read_safetensors from bytes in memory; `file` is their name in messages.
std::vector<NamedTensor> parse_safetensors(std::string_view bytes, const std::string& file);

}  // namespace mlpipe
