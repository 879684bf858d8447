#pragma once

#include <string>

#include "tests/functional/project.hpp"

namespace mlpipe {

// Has the project publish the model `tiny` that write_tiny_model() makes with the label: its next version.
void publish_tiny(Project& project, const std::string& label);

}  // namespace mlpipe
