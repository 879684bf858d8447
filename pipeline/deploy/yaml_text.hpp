#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace mlpipe {

// The value as YAML for people: block style for what nests, JSON for what does not, which YAML reads both.
// Texts of several lines stand as blocks.
std::string yaml_text(const nlohmann::ordered_json& value);
std::string yaml_text(const nlohmann::json& value);

}  // namespace mlpipe
