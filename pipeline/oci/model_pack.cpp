#include "pipeline/oci/model_pack.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/tar_reader.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* model_file_name = "model.yaml";

// "tar", "tar+gzip", "raw" of "application/vnd.cncf.model.weight.v1.tar"; empty for a layer of another kind.
std::string packing_of(const std::string& media_type) {
  constexpr std::string_view begin = "application/vnd.cncf.model.";
  constexpr std::string_view version = ".v1.";
  const std::size_t found = media_type.find(version);
  return media_type.starts_with(begin) && found != std::string::npos
             ? media_type.substr(found + version.size())
             : "";
}

// The layer of an image that write_model_layer() wrote: the annotation names it, else it is the topmost one.
std::optional<Descriptor> model_layer_of(const Manifest& manifest) {
  const auto named = manifest.annotations.find(model_layer_annotation);
  for (const Descriptor& layer : manifest.layers) {
    if (named != manifest.annotations.end() && digest_text(layer.digest) == named->second &&
        layer.media_type == media_type::oci_layer) {
      return layer;
    }
  }
  return std::nullopt;
}

class Pull {
 public:
  Pull(RegistryClient& from, const ImageReference& reference, const fs::path& folder)
      : from_(from), reference_(reference), folder_(folder) {}

  PulledModel run() {
    const FetchedManifest fetched = from_.get_manifest(reference_);
    const Manifest manifest = parse_manifest(fetched.text);
    PulledModel pulled{{}, fetched.digest, manifest.annotations, json::object()};
    fs::create_directory(folder_);
    if (manifest.config.media_type == model_pack::config_type) {
      read_description(manifest.config, pulled);
      for (const Descriptor& layer : manifest.layers) {
        take(layer);
      }
    } else if (const auto layer = model_layer_of(manifest)) {
      unpack(*layer);
    } else {
      throw UsageError("it is neither a ModelPack artifact nor an image that mlpipe put a model into");
    }
    pulled.folder = find_model();
    return pulled;
  }

 private:
  void read_description(const Descriptor& config, PulledModel& pulled) {
    const json document = json::parse(from_.get_small_blob(reference_.repository, config), nullptr, false);
    if (document.is_object() && document.contains("descriptor") && document["descriptor"].is_object()) {
      pulled.descriptor = document["descriptor"];
    }
  }

  void take(const Descriptor& layer) {
    const std::string packing = packing_of(layer.media_type);
    if (packing == "raw") {
      take_file(layer);
    } else if (packing == "tar" || packing == "tar+gzip" || packing == "tar+zstd") {
      unpack(layer);
    } else {
      throw UsageError(fmt::format("it has a layer of the type '{}', which is none of ModelPack's",
                                   printable(layer.media_type)));
    }
  }

  void take_file(const Descriptor& layer) {
    const auto path = layer.annotations.find(model_pack::path_annotation);
    if (path == layer.annotations.end() || !is_plain_path(path->second)) {
      throw UsageError(fmt::format("its layer {} names no plain file", layer.digest.short_hex()));
    }
    const fs::path to = folder_ / path->second;
    if (fs::exists(fs::symlink_status(to))) {
      throw UsageError(fmt::format("it holds {} twice", path->second));
    }
    fs::create_directories(to.parent_path());
    from_.get_blob(reference_.repository, layer.digest, layer.bytes, to);
  }

  void unpack(const Descriptor& layer) {
    const fs::path tar = folder_.string() + ".layer";
    from_.get_blob(reference_.repository, layer.digest, layer.bytes, tar);
    try {
      unpack_tar(tar, folder_);
    } catch (...) {
      ::unlink(tar.c_str());
      throw;
    }
    ::unlink(tar.c_str());
  }

  // At the top, or in the only folder that has one.
  fs::path find_model() const {
    if (fs::exists(folder_ / model_file_name)) {
      return folder_;
    }
    std::vector<fs::path> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
      if (entry.is_directory() && fs::exists(entry.path() / model_file_name)) {
        found.push_back(entry.path());
      }
    }
    if (found.size() != 1) {
      throw UsageError(fmt::format("it holds no {}, so it is no model of mlpipe", model_file_name),
                       "docs/model.md says what a model's folder holds");
    }
    return found.front();
  }

  RegistryClient& from_;
  const ImageReference& reference_;
  const fs::path& folder_;
};

}  // namespace

ModelDescription parse_description(std::string_view text) {
  const ordered_json document = ordered_json::parse(text, nullptr, false);
  const auto object = [&](const char* key) {
    if (!document.is_object() || !document.contains(key) || !document[key].is_object()) {
      throw UsageError(fmt::format("the model's description has no object '{}'", key));
    }
    return document[key];
  };
  ModelDescription description{object("descriptor"), object("config"), {}};
  const ordered_json annotations = object("annotations");
  for (const auto& [name, value] : annotations.items()) {
    if (!value.is_string()) {
      throw UsageError(fmt::format("the annotation {} is no text", printable(name)));
    }
    description.annotations[name] = value.get<std::string>();
  }
  return description;
}

Digest push_model_pack(RegistryClient& to, const ImageReference& target, const ModelLayer& layer,
                       const ModelDescription& description) {
  const std::string config = ordered_json{
      {"descriptor", description.descriptor},
      {"modelfs", {{"type", "layers"}, {"diffIds", {digest_text(layer.digest)}}}},
      {"config",
       description.config}}.dump();
  to.put_blob(target.repository, layer.digest, layer.file);
  to.put_small_blob(target.repository, config);
  Manifest manifest;
  manifest.artifact_type = model_pack::artifact_type;
  manifest.config = {model_pack::config_type, digest_of(config), config.size(), {}};
  const std::string path = fs::path(model_place).filename().string();
  manifest.layers = {
      {model_pack::weight_type, layer.digest, layer.bytes, {{model_pack::path_annotation, path}}}};
  manifest.annotations = description.annotations;
  const std::string text = to_text(manifest);
  to.put_manifest(target.repository, target.target(), text);
  return digest_of(text);
}

PulledModel pull_model(RegistryClient& from, const ImageReference& reference, const fs::path& folder) {
  const fs::path place = fs::absolute(folder / "").parent_path();  // without a slash at its end
  const TemporaryDirectory staging(place.parent_path());
  const fs::path incoming = staging.path() / "model";
  try {
    PulledModel pulled = Pull(from, reference, incoming).run();
    fs::rename(incoming, place);
    pulled.folder = pulled.folder == incoming ? folder : folder / pulled.folder.filename();
    return pulled;
  } catch (const UsageError& error) {
    const std::string what = error.what();
    throw UsageError(
        what.starts_with(reference.text()) ? what : fmt::format("{}: {}", reference.text(), what),
        error.hint());
  }
}

}  // namespace mlpipe
