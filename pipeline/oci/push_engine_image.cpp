#include "pipeline/oci/push_engine_image.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/engine_images.hpp"

namespace mlpipe {

ImageReference push_engine_image(const Engine& engine, const std::string& image, RegistryClient& to,
                                 const ImageReference& target, const std::string& tag_begin) {
  const EngineImage found = inspect_image(engine, image);
  constexpr std::size_t digits = 32;
  ImageReference name = target.with_tag(tag_begin + "-" + found.id.substr(found.id.find(':') + 1, digits));
  auto manifest = to.find_manifest(name.repository, name.tag);
  if (!manifest) {
    fmt::print(stderr, "mlpipe-registry: pushing {} to {}, which does not have it yet\n", image, name.text());
    tag_image(engine, found.id, name.text());
    push_image(engine, name.text(), to.speaks_plain_http());
    if (!found.tags.empty()) {  // the last name would take the image with it
      untag_image(engine, name.text());
    }
    manifest = to.find_manifest(name.repository, name.tag);
  }
  if (!manifest) {
    throw Error(fmt::format("{} was pushed to {}, which does not have it", image, name.text()));
  }
  name.digest = manifest->digest;
  return name;
}

ImageReference resolve_image(RegistryClient& registry, const ImageReference& reference,
                             const std::string& architecture) {
  return {reference.registry, reference.repository, "",
          registry.get_manifest(reference, architecture).digest};
}

}  // namespace mlpipe
