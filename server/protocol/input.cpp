#include "server/protocol/input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "server/protocol/fp32.hpp"

namespace mlpipe {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t deepest = 64;
constexpr std::size_t most_numbers_at_once = std::size_t{4} << 20U;  // in an answer

// A parser for each thread, so that requests of usual size allocate nothing.
constexpr std::size_t usual_size = std::size_t{1} << 20U;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char character) { return static_cast<char>(std::tolower(character)); });
  return result;
}

const char* type_name(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a text";
    case dom::element_type::BOOL:
      return "a truth value";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

[[noreturn]] void refuse(const std::string& message) {
  throw RequestError(400, message);
}

// Whether the number in the document is this one and none beside it.
bool is_exactly(const dom::element& element, float nearest) {
  std::int64_t whole = 0;
  std::uint64_t large = 0;
  double value = 0;
  if (element.is<std::int64_t>() && element.get(whole) == simdjson::SUCCESS) {
    return is_in_fp32(whole);
  }
  if (element.is<std::uint64_t>() && element.get(large) == simdjson::SUCCESS) {
    return is_in_fp32(large);
  }
  return element.get(value) == simdjson::SUCCESS && static_cast<double>(nearest) == value;
}

constexpr std::size_t longest_shown = 100;

// "it is one of red, green, blue"; of many only the first.
std::string some_categories(const Column& column) {
  constexpr std::size_t most_shown = 8;
  const std::size_t count = std::min(column.categories.size(), most_shown);
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < count; ++i) {
    shown.push_back(printable(column.categories[i].substr(0, longest_shown)));
  }
  const std::size_t left = column.categories.size() - count;
  return fmt::format("it is one of {}{}", join(shown, ", "),
                     left > 0 ? fmt::format(" and {} more", left) : "");
}

// Reads the lists level by level; how long the lists of a level are is what the first of them says.
class BlockReader {
 public:
  BlockReader(const std::string& field, std::span<const Column> columns, BetweenFp32 between)
      : field_(field), columns_(columns), between_(between) {}

  NumberBlock read(const dom::array& list) {
    read_level(list, 0);
    return {Shape(lengths_.begin(), lengths_.begin() + static_cast<std::ptrdiff_t>(depth_)),
            std::move(values_)};
  }

 private:
  enum class Kind { unknown, numbers, lists };

  void read_level(const dom::array& list, std::size_t level) {
    const bool is_first = level == depth_;
    if (is_first) {
      ++depth_;
    }
    std::size_t index = 0;
    for (const dom::element element : list) {
      path_[level] = index++;
      if (element.is<dom::array>()) {
        require_kind(level, Kind::lists, element);
        read_level(element.get<dom::array>().value_unsafe(), level + 1);
      } else {
        require_kind(level, Kind::numbers, element);
        if (values_.empty()) {
          values_.reserve(list.size());
        }
        values_.push_back(number(element, level));
      }
    }
    const auto length = static_cast<std::int64_t>(index);
    if (is_first) {
      lengths_[level] = length;
    } else if (lengths_[level] != length) {
      refuse(fmt::format("{}: it is {} long, the lists before it are {} long", place(level), length,
                         lengths_[level]));
    }
  }

  void require_kind(std::size_t level, Kind kind, const dom::element& element) {
    if (kinds_[level] == Kind::unknown) {
      kinds_[level] = kind;
    } else if (kinds_[level] != kind) {
      refuse(fmt::format("{}: it is {}, its neighbours are {}", place(level + 1), type_name(element),
                         kinds_[level] == Kind::lists ? "lists" : "numbers"));
    }
  }

  float number(const dom::element& element, std::size_t level) const {
    if (path_[level] < columns_.size() && !columns_[path_[level]].categories.empty()) {
      return category(element, level);
    }
    double value = 0;
    if (element.get(value) != simdjson::SUCCESS) {
      refuse(fmt::format("{}: it is {}, not a number", place(level + 1), type_name(element)));
    }
    if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
      refuse(fmt::format("{}: {} is beyond what FP32 holds", place(level + 1), value));
    }
    const auto nearest = static_cast<float>(value);
    if (between_ == BetweenFp32::refuse && !is_exactly(element, nearest)) {
      refuse(fmt::format("{}: {} is no number of FP32, which the model computes with", place(level + 1),
                         simdjson::minify(element)));
    }
    return nearest;
  }

  float category(const dom::element& element, std::size_t level) const {
    const Column& column = columns_[path_[level]];
    std::string_view text;
    double value = 0;
    std::string shown;
    if (element.get(text) == simdjson::SUCCESS) {
      shown = text;
    } else if (element.get(value) == simdjson::SUCCESS) {
      shown = number_text(value);
    } else {
      refuse(fmt::format("{}: it is {}, column '{}' takes a text: {}", place(level + 1), type_name(element),
                         printable(column.name), some_categories(column)));
    }
    const float index = column.category(shown);
    if (index < 0) {
      refuse(fmt::format("{}: column '{}' has no category '{}': {}", place(level + 1), printable(column.name),
                         printable(shown.substr(0, longest_shown)), some_categories(column)));
    }
    return index;
  }

  // "data[3][2]", as deep as `levels` say.
  std::string place(std::size_t levels) const {
    std::string text = field_;
    for (std::size_t i = 0; i < levels; ++i) {
      text += fmt::format("[{}]", path_[i]);
    }
    return text;
  }

  const std::string& field_;
  std::span<const Column> columns_;
  BetweenFp32 between_;
  std::vector<float> values_;
  std::size_t depth_ = 0;
  std::array<std::int64_t, deepest> lengths_{};
  std::array<std::size_t, deepest> path_{};  // the parser refuses what is deeper
  std::array<Kind, deepest> kinds_{};
};

}  // namespace

std::string media_type(const Request& request) {
  const std::string whole = lower(request.header("Content-Type"));
  return std::string(trim(std::string_view(whole).substr(0, whole.find(';'))));
}

void require_json_type(const Request& request) {
  const std::string encoding = lower(trim(request.header("Content-Encoding")));
  if (!encoding.empty() && encoding != "identity") {
    throw RequestError(415, fmt::format("Content-Encoding: {} is not understood here, send the body as it is",
                                        printable(encoding)));
  }
  const std::string whole = lower(request.header("Content-Type"));
  const std::string type = media_type(request);
  constexpr std::array<std::string_view, 6> accepted = {"",
                                                        "application/json",
                                                        "text/json",
                                                        "text/plain",
                                                        "application/x-www-form-urlencoded",
                                                        "application/octet-stream"};
  if (std::find(accepted.begin(), accepted.end(), type) == accepted.end()) {
    throw RequestError(415,
                       fmt::format("Content-Type: {} is not understood here, send JSON", printable(type)));
  }
  const std::size_t charset = whole.find("charset=");
  if (charset != std::string::npos) {
    std::string name(trim(std::string_view(whole).substr(charset + 8)));
    std::erase(name, '"');
    name = name.substr(0, name.find(';'));
    if (name != "utf-8" && name != "utf8" && name != "us-ascii") {
      throw RequestError(415, fmt::format("Content-Type: the charset {} is not understood here, send UTF-8",
                                          printable(name)));
    }
  }
}

JsonBody::JsonBody(std::string_view text) {
  thread_local dom::parser usual;
  dom::parser* parser = &usual;
  if (text.size() > usual_size) {
    own_ = std::make_unique<dom::parser>();
    parser = own_.get();
  }
  if (parser->max_depth() != deepest || parser->capacity() < text.size()) {
    if (parser->allocate(std::max(text.size(), std::size_t{4096}), deepest) != simdjson::SUCCESS) {
      throw RequestError(503, "body: there is no memory for it now");
    }
  }
  dom::element root;
  const simdjson::error_code error = parser->parse(text.data(), text.size()).get(root);
  if (error == simdjson::DEPTH_ERROR) {
    refuse(fmt::format("body: it is nested deeper than {} levels", deepest));
  }
  if (error == simdjson::EMPTY) {
    refuse("body: it is empty, a JSON object is expected");
  }
  if (error != simdjson::SUCCESS) {
    const bool not_finite =
        text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos;
    refuse(fmt::format("body: it is not JSON: {}{}", simdjson::error_message(error),
                       not_finite ? " (JSON has no NaN and no Infinity)" : ""));
  }
  if (root.get(object_) != simdjson::SUCCESS) {
    refuse(fmt::format("body: it is {}, a JSON object is expected", type_name(root)));
  }
}

std::vector<JsonField> JsonBody::fields(const dom::object& object, const std::string& where,
                                        const std::vector<std::string>& known) {
  std::vector<JsonField> found(known.size());
  for (const dom::key_value_pair field : object) {
    const auto name = std::find(known.begin(), known.end(), field.key);
    const std::string place =
        fmt::format("{}{}{}", where, where.empty() ? "" : ".", printable(field.key.substr(0, 100)));
    if (name == known.end()) {
      const std::string suggestion = suggest_name(field.key.substr(0, 100), known);
      refuse(fmt::format("{}: this field is unknown{}{}", place, suggestion.empty() ? "" : "; ", suggestion));
    }
    JsonField& slot = found[static_cast<std::size_t>(name - known.begin())];
    if (slot) {
      refuse(fmt::format("{}: it is given twice", place));
    }
    slot = field.value;
  }
  return found;
}

NumberBlock read_numbers(const dom::element& element, const std::string& field,
                         std::span<const Column> columns, BetweenFp32 between) {
  dom::array list;
  if (element.get(list) != simdjson::SUCCESS) {
    refuse(fmt::format("{}: it is {}, a list of numbers is expected", field, type_name(element)));
  }
  return BlockReader(field, columns, between).read(list);
}

void require_indices(const Model& model, std::span<const float> rows, const std::string& field) {
  const std::optional<std::int64_t> embedded = model.network.index_count();
  if (!embedded && model.preprocessing.categories.empty()) {
    return;
  }
  const std::size_t values = model.values();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t value = i % values;
    const float least = embedded ? 0 : -1;
    const float count =
        embedded ? static_cast<float>(*embedded) : static_cast<float>(model.preprocessing.categories[value]);
    if (count == 0) {
      continue;
    }
    if (!(rows[i] >= least && rows[i] < count && rows[i] == std::floor(rows[i]))) {
      refuse(fmt::format("{}: example {}, value {}: {} is no whole number from {} to {}", field, i / values,
                         value, number_text(rows[i]), least, count - 1));
    }
  }
}

std::string read_text(const dom::element& element, const std::string& field) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) {
    refuse(fmt::format("{}: it is {}, a text is expected", field, type_name(element)));
  }
  return std::string(text);
}

std::size_t most_examples(const Model& model) {
  return std::clamp(most_numbers_at_once / std::max<std::size_t>(model.labels.size(), 1), std::size_t{1},
                    std::size_t{16384});
}

void require_example_count(const Model& model, std::size_t count, const std::string& field) {
  if (count == 0) {
    refuse(fmt::format("{}: it holds no example", field));
  }
  if (count > most_examples(model)) {
    refuse(
        fmt::format("{}: it holds {} examples, one request may hold {}", field, count, most_examples(model)));
  }
}

}  // namespace mlpipe
