#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/data/array_data.hpp"

namespace mlpipe {
namespace {

constexpr std::array<std::pair<std::string_view, NumberType>, 8> types = {{
    {"BOOL", NumberType::uint8},
    {"U8", NumberType::uint8},
    {"I8", NumberType::int8},
    {"I16", NumberType::int16},
    {"I32", NumberType::int32},
    {"I64", NumberType::int64},
    {"F32", NumberType::float32},
    {"F64", NumberType::float64},
}};

NumericArray array_of(const TensorView& tensor, const StoredBytes& stored, const std::string& file) {
  const std::string name = fmt::format("{}, tensor {}", file, tensor.name);
  const auto type = std::find_if(types.begin(), types.end(),
                                 [&tensor](const auto& known) { return known.first == tensor.type; });
  if (type == types.end()) {
    throw UsageError(fmt::format("{}: its numbers are of the type {}, which is not read", name, tensor.type),
                     "types that are read: BOOL, U8, I8, I16, I32, I64, F32, F64");
  }
  if (tensor.shape.empty()) {
    throw UsageError(fmt::format("{}: it is a single number", name));
  }
  return {name, tensor.shape, type->second, false, stored, tensor.bytes};
}

// A damaged file of weights is a failure, but one that was named as data is a wrong request.
std::vector<TensorView> read_views(const StoredBytes& stored, const std::string& file) {
  try {
    return view_safetensors(stored.view(), file);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    throw UsageError(error.what(), error.hint());
  }
}

}  // namespace

RawData read_tensors(const SafetensorsSource& source, const ReadOptions& options) {
  const std::string file = source.file.string();
  const StoredBytes stored = map_file(source.file);
  const std::vector<TensorView> views = read_views(stored, file);
  std::vector<std::string> names;
  for (const TensorView& view : views) {
    names.push_back(view.name);
  }
  const auto find = [&](const std::string& name) -> std::optional<NumericArray> {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? std::nullopt
                                : std::optional(array_of(
                                      views[static_cast<std::size_t>(found - names.begin())], stored, file));
  };
  return data_from_names(source, names, find, options);
}

}  // namespace mlpipe
