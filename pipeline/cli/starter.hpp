#pragma once

#include <string_view>

namespace mlpipe {

// The files that `mlpipe init` writes, embedded when mlpipe is built: examples/iris.
std::string_view starter_pipeline();
std::string_view starter_data();

}  // namespace mlpipe
