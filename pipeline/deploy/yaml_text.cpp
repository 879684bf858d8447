#include "pipeline/deploy/yaml_text.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

template <typename Value>
void append_yaml(std::string& out, const Value& value, std::size_t depth) {
  const std::string margin(2 * depth, ' ');
  const auto append_value = [&](const Value& item) {
    const std::string text = item.is_string() ? static_cast<std::string>(item) : "";
    if (text.find('\n') != std::string::npos) {
      out += " |\n";
      for (const std::string& line : split(trim(text), '\n')) {
        out += margin + "  " + line + "\n";
      }
    } else if (item.is_structured() && !item.empty()) {
      out += "\n";
      append_yaml(out, item, depth + 1);
    } else {
      out += " " + item.dump() + "\n";
    }
  };
  if (value.is_object()) {
    for (const auto& [name, item] : value.items()) {
      out += margin + name + ":";
      append_value(item);
    }
    return;
  }
  for (const Value& item : value) {
    out += margin + "-";
    if (item.is_object() && !item.empty()) {
      std::string nested;
      append_yaml(nested, item, depth + 1);
      out += " " + nested.substr(margin.size() + 2);  // the first key beside the dash
    } else {
      append_value(item);
    }
  }
}

}  // namespace

std::string yaml_text(const nlohmann::ordered_json& value) {
  std::string text;
  append_yaml(text, value, 0);
  return text;
}

std::string yaml_text(const nlohmann::json& value) {
  std::string text;
  append_yaml(text, value, 0);
  return text;
}

}  // namespace mlpipe
