#include "pipeline/model/yaml_values.hpp"

#include <algorithm>

#include "pipeline/base/scalar.hpp"

namespace mlpipe {

std::int64_t integer_or(const YamlNode* node, std::int64_t otherwise) {
  return node == nullptr ? otherwise : as_integer(*node).value_or(otherwise);
}

double number_or(const YamlNode* node, double otherwise) {
  return node == nullptr ? otherwise : as_number(*node).value_or(otherwise);
}

std::string text_or(const YamlNode* node, const std::string& otherwise) {
  return node == nullptr ? otherwise : node->scalar;
}

bool holds_expression(const YamlNode& node) {
  return (node.is_scalar() && node.scalar.find("${{") != std::string::npos) ||
         std::any_of(node.items.begin(), node.items.end(), holds_expression) ||
         std::any_of(node.entries.begin(), node.entries.end(),
                     [](const YamlEntry& entry) { return holds_expression(entry.value); });
}

}  // namespace mlpipe
