// Any bytes are an array that can be read to its last number, or a UsageError or Error: a header cannot make
// anybody read beside its data.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/data/npy.hpp"

namespace {

void read_npy(const mlpipe::StoredBytes& stored) {
  const mlpipe::NumericArray array = mlpipe::parse_npy(stored, "array");
  std::vector<float> numbers(mlpipe::element_count(array.shape));
  mlpipe::read_numbers(array, 0, numbers);
}

void read_safetensors(const mlpipe::StoredBytes& stored) {
  std::size_t sum = 0;
  for (const mlpipe::TensorView& tensor : mlpipe::view_safetensors(stored.view(), "tensors")) {
    for (const char byte : tensor.bytes) {
      sum += static_cast<unsigned char>(byte);
    }
  }
  volatile const std::size_t kept = sum;
  (void)kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<char> bytes(data, data + size);
  const mlpipe::StoredBytes stored{nullptr, bytes};
  for (const auto read : {read_npy, read_safetensors}) {
    try {
      read(stored);
    } catch (const mlpipe::Error&) {  // UsageError is one
    }
  }
  return 0;
}
