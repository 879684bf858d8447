#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/commands.hpp"
#include "pipeline/oci/labels.hpp"
#include "pipeline/oci/model_image.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {

void model_image_command(const ModelImageRequest& request) {
  const ImageReference tag = parse_reference(request.tag);
  if (tag.digest) {
    throw UsageError(
        fmt::format("{}: an image is given a name here, and its digest follows from it", request.tag),
        "leave '@sha256:…' out");
  }
  const Labels labels = parse_labels(request.labels);
  const Engine engine = Engine::find(request.engine, own_environment());
  const TemporaryDirectory folder;
  const ModelLayer layer = write_model_layer(request.model, folder.path() / "layer.tar");
  const EngineModelImage image =
      make_model_image(engine, request.server, layer, labels, request.tag, folder.path());
  fmt::print("{}\n", nlohmann::ordered_json{{"id", image.id},
                                            {"tag", request.tag},
                                            {"engine", engine.name()},
                                            {"made_by", image.made_by},
                                            {"model_layer", digest_text(layer.digest)}}
                         .dump());
}

}  // namespace mlpipe
