#include "pipeline/oci/registry_options.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/quantity.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

RegistryOptions registry_options(const Environment& environment) {
  RegistryOptions options;
  if (const auto list = environment.find("MLPIPE_INSECURE_REGISTRIES"); list != environment.end()) {
    for (const std::string& name : split(list->second, ',')) {
      if (!trim(name).empty()) {
        options.insecure.emplace_back(trim(name));
      }
    }
  }
  if (const auto bytes = environment.find("MLPIPE_REGISTRY_CHUNK"); bytes != environment.end()) {
    const auto parsed = parse_bytes(bytes->second);
    if (!parsed || *parsed == 0) {
      throw UsageError(
          fmt::format("MLPIPE_REGISTRY_CHUNK: '{}' is no number of bytes", printable(bytes->second)),
          "such as 32Mi");
    }
    options.chunk_bytes = *parsed;
  }
  return options;
}

}  // namespace mlpipe
