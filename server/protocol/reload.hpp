#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/engine/engine.hpp"

namespace mlpipe {

// How it went to take up what changed on disk, part by part. A part that failed is as it was before.
struct ReloadReport {
  struct Part {
    std::string what;   // "model digits version 3", "certificate"
    std::string error;  // empty: it is up to date
  };
  std::vector<Part> parts;

  // Does one part; what it throws is its error.
  void attempt(std::string what, const std::function<void()>& action);
  // "WHAT: why; WHAT: why"; empty when all went well.
  std::string error() const;
};

// Loads every version again from its own folder, beside the one that serves, which it replaces with its
// label, weight and aliases. One that cannot be loaded, or has become another model, leaves the old one
// serving.
void reload_models(Engine& engine, ReloadReport& report);

}  // namespace mlpipe
