#pragma once

#include <span>
#include <string_view>

namespace mlpipe {

// A network with a name. Its layers are written as anyone could write them.
struct NetworkPreset {
  const char* name;
  const char* meaning;
  const char* layers;  // YAML
};

std::span<const NetworkPreset> network_presets();

}  // namespace mlpipe
