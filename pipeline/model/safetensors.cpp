#include "pipeline/model/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/weights_format.hpp"

namespace mlpipe {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian, as memory is here");

constexpr std::size_t length_size = 8;
constexpr std::size_t largest_header = std::size_t{100} << 20U;  // the reference implementation's limit
constexpr int deepest_header = 8;                                // {"name": {"shape": […]}} is three deep
constexpr std::size_t most_dimensions = 8;

constexpr std::array<std::pair<std::string_view, std::size_t>, 13> type_sizes = {{{"BOOL", 1},
                                                                                  {"U8", 1},
                                                                                  {"I8", 1},
                                                                                  {"U16", 2},
                                                                                  {"I16", 2},
                                                                                  {"F16", 2},
                                                                                  {"BF16", 2},
                                                                                  {"U32", 4},
                                                                                  {"I32", 4},
                                                                                  {"F32", 4},
                                                                                  {"U64", 8},
                                                                                  {"I64", 8},
                                                                                  {"F64", 8}}};

struct Entry {
  TensorView tensor;
  std::size_t begin = 0;
  std::size_t end = 0;
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::vector<TensorView> read() {
    const nlohmann::json header = read_header();
    std::vector<Entry> entries;
    for (const auto& [name, description] : header.items()) {
      if (name != "__metadata__") {
        entries.push_back(read_entry(name, description));
      }
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
    return take_bytes(std::move(entries));
  }

  // What FP32 takes; the others pass only as they are.
  void require_floats(const std::vector<TensorView>& tensors) const {
    for (const TensorView& tensor : tensors) {
      if (tensor.type != "F32") {
        refuse(fmt::format("tensor '{}' is of the type {}, and only F32 is read", printable(tensor.name),
                           printable(tensor.type)));
      }
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(fmt::format("{}: {}", file_, why),
                "the file is damaged or no safetensors file: write it again");
  }

  nlohmann::json read_header() {
    if (bytes_.size() < length_size) {
      refuse(fmt::format("it has {} bytes, less than the length of a header", bytes_.size()));
    }
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), length_size);
    if (length > largest_header || length > bytes_.size() - length_size) {
      if (is_pickle(bytes_)) {
        refuse("it is a pickle, which could run any code when it is loaded");
      }
      refuse(fmt::format("its header says it is {} bytes long, and {} follow", length,
                         bytes_.size() - length_size));
    }
    const std::string_view text = bytes_.substr(length_size, length);
    data_ = bytes_.substr(length_size + length);
    return parse_header(text);
  }

  // JSON keeps the last of equal keys silently, and deep nesting costs stack: both are refused while parsing.
  nlohmann::json parse_header(std::string_view text) const {
    std::vector<std::unordered_set<std::string>> keys;
    std::string fault;
    const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
      using Event = nlohmann::json::parse_event_t;
      if (depth > deepest_header) {
        throw Error(fmt::format("{}: its header is nested deeper than {} levels", file_, deepest_header));
      }
      if (event == Event::object_start) {
        keys.emplace_back();
      } else if (event == Event::object_end) {
        keys.pop_back();
      } else if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
        fault = fmt::format("'{}' is in its header twice", printable(parsed.get<std::string>()));
      }
      return true;
    };
    nlohmann::json header;
    try {
      header = nlohmann::json::parse(text, watch);
    } catch (const nlohmann::json::exception& error) {
      refuse(fmt::format("its header is no JSON: {}", printable(error.what())));
    }
    if (!fault.empty()) {
      refuse(fault);
    }
    if (!header.is_object()) {
      refuse("its header is not a JSON object");
    }
    return header;
  }

  std::uint64_t whole_number(const nlohmann::json& value, const std::string& what) const {
    if (!value.is_number_unsigned()) {
      refuse(fmt::format("{} is not a whole number", what));
    }
    return value.get<std::uint64_t>();
  }

  Entry read_entry(const std::string& name, const nlohmann::json& description) const {
    const std::string label = fmt::format("tensor '{}'", printable(name));
    if (!description.is_object() || !description.contains("dtype") || !description.contains("shape") ||
        !description.contains("data_offsets")) {
      refuse(fmt::format("{} has no dtype, shape and data_offsets", label));
    }
    const nlohmann::json& dtype = description["dtype"];
    const auto type = std::find_if(type_sizes.begin(), type_sizes.end(),
                                   [&dtype](const auto& known) { return dtype == known.first; });
    if (type == type_sizes.end()) {
      refuse(fmt::format("{} is of the type {}, which is not known", label, printable(dtype.dump())));
    }
    Entry entry;
    entry.tensor.name = name;
    entry.tensor.type = type->first;
    entry.tensor.shape = read_shape(description["shape"], label);
    const nlohmann::json& offsets = description["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) {
      refuse(fmt::format("the data_offsets of {} are not two numbers", label));
    }
    entry.begin = whole_number(offsets[0], "an offset of " + label);
    entry.end = whole_number(offsets[1], "an offset of " + label);
    if (entry.begin > entry.end || entry.end > data_.size()) {
      refuse(fmt::format("{} is said to be at {} to {}, and there are {} bytes", label, entry.begin,
                         entry.end, data_.size()));
    }
    const std::size_t count = element_count(entry.tensor.shape);
    const std::size_t there = entry.end - entry.begin;
    if (there % type->second != 0 || count != there / type->second) {
      refuse(fmt::format("{} has the shape {}, and {} bytes of data", label, shape_text(entry.tensor.shape),
                         there));
    }
    return entry;
  }

  Shape read_shape(const nlohmann::json& sizes, const std::string& label) const {
    if (!sizes.is_array() || sizes.size() > most_dimensions) {
      refuse(fmt::format("the shape of {} is not a list of at most {} numbers", label, most_dimensions));
    }
    Shape shape;
    for (const nlohmann::json& size : sizes) {
      const std::uint64_t value = whole_number(size, "a size of " + label);
      if (value > bytes_.size()) {
        refuse(fmt::format("{} has a size of {}, more than the file holds", label, value));
      }
      shape.push_back(static_cast<std::int64_t>(value));
    }
    return shape;
  }

  // The format asks for data without holes and overlaps; with that, every byte of the file belongs to one
  // tensor.
  std::vector<TensorView> take_bytes(std::vector<Entry> entries) const {
    std::vector<TensorView> tensors;
    std::size_t position = 0;
    for (Entry& entry : entries) {
      if (entry.begin != position) {
        refuse(fmt::format("tensor '{}' begins at {}, and the one before it ends at {}",
                           printable(entry.tensor.name), entry.begin, position));
      }
      entry.tensor.bytes = data_.substr(entry.begin, entry.end - entry.begin);
      position = entry.end;
      tensors.push_back(std::move(entry.tensor));
    }
    if (position != data_.size()) {
      refuse(fmt::format("{} bytes at its end belong to no tensor", data_.size() - position));
    }
    return tensors;
  }

  std::string_view bytes_;
  std::string_view data_;
  const std::string& file_;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors) {
  auto header = nlohmann::ordered_json::object();
  std::size_t position = 0;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t size = tensor.values.size() * sizeof(float);
    if (element_count(tensor.shape) != tensor.values.size() || header.contains(tensor.name)) {
      throw Error(fmt::format("{}: tensor '{}' of shape {} with {} values cannot be written", path.string(),
                              tensor.name, shape_text(tensor.shape), tensor.values.size()));
    }
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {position, position + size}}};
    position += size;
  }
  std::string text = header.dump();
  text.append((length_size - text.size() % length_size) % length_size, ' ');  // the data begins aligned
  const std::uint64_t length = text.size();
  std::string bytes(length_size, '\0');
  std::memcpy(bytes.data(), &length, length_size);
  bytes += text;
  bytes.reserve(bytes.size() + position);
  for (const NamedTensor& tensor : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  write_file_atomically(path, bytes);
}

std::vector<NamedTensor> read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path.string());
}

std::vector<TensorView> view_safetensors(std::string_view bytes, const std::string& file) {
  return Reader(bytes, file).read();
}

std::vector<NamedTensor> parse_safetensors(std::string_view bytes, const std::string& file) {
  Reader reader(bytes, file);
  const std::vector<TensorView> views = reader.read();
  reader.require_floats(views);
  std::vector<NamedTensor> tensors;
  for (const TensorView& view : views) {
    NamedTensor tensor{view.name, view.shape, std::vector<float>(view.bytes.size() / sizeof(float))};
    if (!view.bytes.empty()) {
      std::memcpy(tensor.values.data(), view.bytes.data(), view.bytes.size());
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace mlpipe
