#include "server/protocol/reload.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "server/protocol/failure.hpp"

namespace mlpipe {
void ReloadReport::attempt(std::string what, const std::function<void()>& action) {
  std::string error;
  try {
    action();
  } catch (const std::exception& failure) {
    error = reason_of(failure);
  }
  parts.push_back({std::move(what), std::move(error)});
}

std::string ReloadReport::error() const {
  std::vector<std::string> errors;
  for (const Part& part : parts) {
    if (!part.error.empty()) {
      errors.push_back(fmt::format("{}: {}", part.what, part.error));
    }
  }
  return join(errors, "; ");
}

void reload_models(Engine& engine, ReloadReport& report) {
  for (const ServedModel& model : engine.state().models) {
    for (const ServedModel::Version& each : model.versions) {
      const ModelVersion& version = *each.version;
      report.attempt(fmt::format("model {} version {}", model.name, version.label()), [&] {
        const auto loaded = engine.load(version.directory(), version.label(), Engine::Takeover::beside);
        if (loaded->model().name != model.name) {
          engine.unload(loaded->model().name, version.label());
          throw Error(fmt::format("{} holds another model now, '{}'", version.directory().string(),
                                  loaded->model().name),
                      "load it as a model of its own");
        }
      });
    }
  }
}

}  // namespace mlpipe
