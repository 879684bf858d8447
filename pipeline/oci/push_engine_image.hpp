#pragma once

#include <string>

#include "pipeline/container/engine.hpp"
#include "pipeline/oci/reference.hpp"
#include "pipeline/oci/registry_client.hpp"

namespace mlpipe {

// An image of an engine in a registry: under a tag made from its id, `BEGIN-…`, so that it is pushed once and
// found again. `to` is the client of the target's registry; the target's tag and digest do not count. Returns
// its reference with that tag, and the manifest's digest. Throws UsageError when the engine has no such
// image, Error when it cannot be pushed.
ImageReference push_engine_image(const Engine& engine, const std::string& image, RegistryClient& to,
                                 const ImageReference& target, const std::string& tag_begin);

// An image in a registry by its manifest's digest, asking no engine: of an index the manifest for
// `architecture`
// ("amd64"). UsageError where there is none.
ImageReference resolve_image(RegistryClient& registry, const ImageReference& reference,
                             const std::string& architecture);

}  // namespace mlpipe
