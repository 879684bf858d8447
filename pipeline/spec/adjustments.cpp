#include "pipeline/spec/adjustments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

void merge(YamlNode& into, const YamlNode& from) {
  if (!into.is_mapping() || !from.is_mapping()) {
    into = from;
    return;
  }
  for (const YamlEntry& entry : from.entries) {
    if (YamlNode* there = into.find(entry.key)) {
      merge(*there, entry.value);
    } else {
      into.entries.push_back(entry);
    }
  }
}

}  // namespace

void apply_profile(YamlNode& root, const std::optional<std::string>& profile) {
  const auto found = std::find_if(root.entries.begin(), root.entries.end(),
                                  [](const YamlEntry& entry) { return entry.key == "profiles"; });
  YamlNode profiles;
  if (found != root.entries.end()) {
    profiles = std::move(found->value);
    root.entries.erase(found);
  }
  if (!profile) {
    return;
  }
  const YamlNode* chosen = profiles.find(*profile);
  if (chosen == nullptr) {
    std::vector<std::string> known;
    for (const YamlEntry& entry : profiles.entries) {
      known.push_back(entry.key);
    }
    throw UsageError(fmt::format("--profile {}: the pipeline has no such profile", printable(*profile)),
                     known.empty() ? "the file has no `profiles:`" : suggest_name(*profile, known));
  }
  merge(root, *chosen);
}

}  // namespace mlpipe
