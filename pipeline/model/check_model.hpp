#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// What is wrong with a model folder, for its author.
struct ModelFault {
  std::string what;  // names the file, and of model.yaml the place
  std::string hint;  // what to write instead; may be empty
};

// Every fault of model.yaml and of the file that it names: missing, not of its format, not what its digest
// says. Empty: mlpipe-serve takes it, as far as can be told without running it. Throws UsageError when there
// is no such folder.
std::vector<ModelFault> check_model(const std::filesystem::path& folder);

// A line for each fault and below it what to do, all indented, each with a newline before it.
std::string text_of(const std::vector<ModelFault>& faults);

}  // namespace mlpipe
