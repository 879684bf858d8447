#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/model/shape.hpp"
#include "server/protocol/number_block.hpp"
#include "server/protocol/v2/datatype.hpp"

namespace mlpipe {

// An inference as the Open Inference Protocol v2 has it, in whatever form it travels: JSON, JSON with binary
// tensors, or gRPC. Nothing here has been checked against a model.

// A list or an object has no value here.
using InferParameter = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using InferParameters = std::map<std::string, InferParameter, std::less<>>;

struct InferInput {
  std::string name;
  std::string datatype;
  Shape shape;
  // Read from text; or as they lie in the message, perhaps wider than the datatype says (gRPC's contents).
  std::variant<std::monostate, NumberBlock, RawNumbers> data;
  std::string data_place;  // "inputs[0].data", for messages
};

struct InferWish {
  std::string name;
  InferParameters parameters;
};

// The name of the model and its version are the transport's: by them it is decided who reads the rest.
struct InferRequest {
  std::optional<std::string> id;
  InferParameters parameters;
  std::vector<InferInput> inputs;
  std::vector<InferWish> outputs;  // none: all that the model has
};

struct InferOutput {
  std::string name;
  std::string_view datatype;  // "FP32" or "BYTES"
  Shape shape;
  std::variant<std::span<const float>, std::vector<std::string>> data;
  bool is_binary = false;  // asked for as bytes
};

// The output as the bytes that the protocol has for it: numbers as they are, each text behind its length in
// four bytes. In the header, for the ring that is loaded by itself.
inline std::size_t binary_size_of(const InferOutput& output) {
  if (const auto* numbers = std::get_if<std::span<const float>>(&output.data)) {
    return numbers->size_bytes();
  }
  std::size_t size = 0;
  for (const std::string& text : std::get<std::vector<std::string>>(output.data)) {
    size += sizeof(std::uint32_t) + text.size();
  }
  return size;
}

inline void append_binary(std::string& out, const InferOutput& output) {
  if (const auto* numbers = std::get_if<std::span<const float>>(&output.data)) {
    out.append(reinterpret_cast<const char*>(numbers->data()), numbers->size_bytes());
    return;
  }
  for (const std::string& text : std::get<std::vector<std::string>>(output.data)) {
    const auto length = static_cast<std::uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof(length));
    out.append(text);
  }
}

// The numbers in it are the engine's: for the time of the call that it is given to.
struct InferAnswer {
  std::string model;
  std::string version;
  std::optional<std::string> id;
  std::vector<InferOutput> outputs;
};

}  // namespace mlpipe
