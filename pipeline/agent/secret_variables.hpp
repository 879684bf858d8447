#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mlpipe {

// How the values of a job's secret variables travel to its agent: "NAME=VALUE", each with a zero byte behind
// it. Throws Error for a value that holds one.
std::string join_variables(const std::map<std::string, std::string>& variables);
std::map<std::string, std::string> split_variables(std::string_view text);

// Reads join_variables() with one more zero byte behind it, and not a byte more, from a stream that other
// things follow in. Throws Error when that ends before.
std::map<std::string, std::string> read_variables(int stream);

}  // namespace mlpipe
