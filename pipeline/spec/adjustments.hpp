#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// What a command line changes of a pipeline's file.
struct Adjustments {
  std::vector<std::string> set = {};        // "name=value", for params
  std::optional<std::string> profile = {};  // one of the file's `profiles`
  std::optional<std::string> runs_on = {};  // where all steps run, whatever the file says

  friend bool operator==(const Adjustments&, const Adjustments&) = default;
};

// Takes the tree's `profiles` out of it and merges the one that is named into the rest: mappings key by key,
// everything else replaces what was there. Throws UsageError when there is no such profile. What the merged
// tree then says is checked as if the author had written it so.
void apply_profile(YamlNode& root, const std::optional<std::string>& profile);

}  // namespace mlpipe
