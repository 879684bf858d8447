#include "pipeline/cli/find_model.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::string only_model(const Invocation& invocation, const Registry& registry) {
  if (const auto name = invocation.value("NAME")) {
    return registry.resolve_reference(name->substr(0, name->find_first_of(":@"))).model;
  }
  const std::vector<std::string> models = registry.models();
  if (models.empty()) {
    throw UsageError("no model has been published from this store yet");
  }
  if (models.size() > 1) {
    throw UsageError("this store holds several models: name one", join(models, ", "));
  }
  return models.front();
}

std::string only_alias(const Invocation& invocation, const Registry& registry, const std::string& model) {
  const std::map<std::string, int> aliases = registry.aliases(model);
  std::vector<std::string> names;
  names.reserve(aliases.size());
  for (const auto& [name, version] : aliases) {
    names.push_back(name);
  }
  if (const auto named = invocation.value("--alias")) {
    if (!aliases.contains(*named)) {
      throw UsageError(fmt::format("{} has no alias '{}'", model, printable(*named)),
                       suggest_name(*named, names));
    }
    return *named;
  }
  if (names.size() != 1) {
    throw UsageError(fmt::format("{} has several aliases: choose one with --alias", model),
                     join(names, ", "));
  }
  return names.front();
}

}  // namespace mlpipe
