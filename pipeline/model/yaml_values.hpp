#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// What a scalar says, or `otherwise` when there is none or it is something else: a schema has been checked
// before, so that what is left then is a scalar that still holds an expression.
std::int64_t integer_or(const YamlNode* node, std::int64_t otherwise);
double number_or(const YamlNode* node, double otherwise);
std::string text_or(const YamlNode* node, const std::string& otherwise);

// Whether any scalar in it holds "${{".
bool holds_expression(const YamlNode& node);

}  // namespace mlpipe
