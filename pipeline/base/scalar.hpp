#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// What a plain scalar means, by YAML 1.2's core schema without octal and hexadecimal: true and false (not
// yes, no, on, off), 010 is ten, 1e-3 is a number. Each is nothing when the text is something else. A quoted
// scalar is text and nothing else.
std::optional<bool> as_boolean(const YamlNode& node);
std::optional<std::int64_t> as_integer(const YamlNode& node);
std::optional<double> as_number(const YamlNode& node);  // finite only

std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);
// "30s", "5m", "2h", "1h30m", "500ms".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// The shortest text that reads back as the same number.
std::string number_text(double value);
std::string number_text(float value);

}  // namespace mlpipe
