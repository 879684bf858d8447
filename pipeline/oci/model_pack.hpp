#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/oci/image.hpp"
#include "pipeline/oci/model_layer.hpp"
#include "pipeline/oci/registry_client.hpp"

namespace mlpipe {

// A model as an artifact by the CNCF ModelPack specification (v1): an OCI manifest whose config describes the
// model and whose layers are its files.
namespace model_pack {
inline constexpr const char* artifact_type = "application/vnd.cncf.model.manifest.v1+json";
inline constexpr const char* config_type = "application/vnd.cncf.model.config.v1+json";
inline constexpr const char* weight_type = "application/vnd.cncf.model.weight.v1.tar";
inline constexpr const char* path_annotation = "org.cncf.model.filepath";
}  // namespace model_pack

// What is said of a model besides its files.
struct ModelDescription {
  nlohmann::ordered_json descriptor;               // ModelPack's: name, version, createdAt, …
  nlohmann::ordered_json config;                   // ModelPack's: format, precision, …
  std::map<std::string, std::string> annotations;  // of the manifest
};

// Reads {"descriptor": {…}, "config": {…}, "annotations": {…}}; UsageError for anything else.
ModelDescription parse_description(std::string_view text);

// Writes the artifact over the layer's blob; the manifest gets its name last. Returns its digest.
Digest push_model_pack(RegistryClient& to, const ImageReference& target, const ModelLayer& layer,
                       const ModelDescription& description);

struct PulledModel {
  std::filesystem::path folder;  // that holds model.yaml
  Digest manifest;
  std::map<std::string, std::string> annotations;  // the manifest's
  nlohmann::json descriptor;                       // ModelPack's; empty where it is an image
};

// Brings a model into a folder that does not exist yet: from a ModelPack artifact, whoever wrote it, or from
// the model layer of an image that mlpipe made. Every blob is checked against its digest, and every name and
// size before it is used. The folder is there when all of it is. Throws UsageError for a manifest that is
// neither.
PulledModel pull_model(RegistryClient& from, const ImageReference& reference,
                       const std::filesystem::path& folder);

}  // namespace mlpipe
