#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

// Where a model image has its model.
inline constexpr const char* model_place = "/model";

// A manifest says with it which layer of an image is the model's: "sha256:HEX".
inline constexpr const char* model_layer_annotation = "mlpipe.model-layer";

// A layer as a file: an uncompressed tar. Weights hardly become smaller, compressing them takes longer than
// sending them, and without it the same blob serves as the layer of an image, as that of a ModelPack artifact
// (whose weights are not to be compressed), and as its own diff id.
struct ModelLayer {
  std::filesystem::path file;
  Digest digest;
  std::uint64_t bytes = 0;
};

// Writes the model's folder as "model/…" into a file that does not exist yet. Equal folders give equal bytes:
// names are sorted, and times and owners are none. Throws UsageError for a folder that is none, is empty, or
// holds anything but files and folders.
ModelLayer write_model_layer(const std::filesystem::path& model, const std::filesystem::path& file);

}  // namespace mlpipe
