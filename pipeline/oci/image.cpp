#include "pipeline/oci/image.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t most_layers = 20'000;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 44U;

// Docker's names of what OCI standardized; the bytes behind them are the same.
std::string as_oci(const std::string& type) {
  static const std::map<std::string, std::string> names = {
      {"application/vnd.docker.container.image.v1+json", media_type::oci_config},
      {"application/vnd.docker.image.rootfs.diff.tar", media_type::oci_layer},
      {"application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"},
      {"application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"},
      {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
       "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
  };
  const auto found = names.find(type);
  return found == names.end() ? type : found->second;
}

std::map<std::string, std::string> annotations_of(const json& object) {
  std::map<std::string, std::string> annotations;
  if (const auto found = object.find("annotations"); found != object.end() && found->is_object()) {
    for (const auto& [key, value] : found->items()) {
      if (value.is_string()) {
        annotations[key] = value.get<std::string>();
      }
    }
  }
  return annotations;
}

Descriptor read_descriptor(const json& object) {
  if (!object.is_object() || !object.value("digest", json()).is_string() ||
      !object.value("size", json()).is_number_unsigned()) {
    throw Error("a descriptor in it has no digest or no size");
  }
  const auto digest = parse_digest(object["digest"].get<std::string>());
  const auto bytes = object["size"].get<std::uint64_t>();
  if (!digest || bytes > most_bytes) {
    throw Error("a descriptor in it names no SHA-256, or a size beyond all bounds");
  }
  const json type = object.value("mediaType", json());
  return {as_oci(type.is_string() ? type.get<std::string>() : ""), *digest, bytes, annotations_of(object)};
}

ordered_json as_json(const Descriptor& descriptor) {
  ordered_json object = {{"mediaType", descriptor.media_type},
                         {"digest", digest_text(descriptor.digest)},
                         {"size", descriptor.bytes}};
  if (!descriptor.annotations.empty()) {
    object["annotations"] = descriptor.annotations;
  }
  return object;
}

}  // namespace

std::string to_text(const Manifest& manifest) {
  ordered_json document = {{"schemaVersion", 2}, {"mediaType", media_type::oci_manifest}};
  if (!manifest.artifact_type.empty()) {
    document["artifactType"] = manifest.artifact_type;
  }
  document["config"] = as_json(manifest.config);
  document["layers"] = ordered_json::array();
  for (const Descriptor& layer : manifest.layers) {
    document["layers"].push_back(as_json(layer));
  }
  if (!manifest.annotations.empty()) {
    document["annotations"] = manifest.annotations;
  }
  return document.dump();
}

Manifest parse_manifest(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.value("schemaVersion", json()) != 2 || !document.contains("config") ||
      !document.contains("layers") || !document["layers"].is_array() ||
      document["layers"].size() > most_layers) {
    throw Error("it is no manifest of an image: schemaVersion 2 with config and layers");
  }
  Manifest manifest;
  const json type = document.value("artifactType", json());
  manifest.artifact_type = type.is_string() ? type.get<std::string>() : "";
  manifest.config = read_descriptor(document["config"]);
  for (const json& layer : document["layers"]) {
    manifest.layers.push_back(read_descriptor(layer));
  }
  manifest.annotations = annotations_of(document);
  return manifest;
}

Descriptor choose_platform(std::string_view index, const std::string& architecture) {
  const json document = json::parse(index, nullptr, false);
  if (!document.is_object() || !document.contains("manifests") || !document["manifests"].is_array()) {
    throw Error("it is no index of images");
  }
  std::vector<std::string> there;
  for (const json& entry : document["manifests"]) {
    const json platform = entry.is_object() ? entry.value("platform", json::object()) : json::object();
    if (!platform.is_object()) {
      continue;
    }
    const json system = platform.value("os", json());
    const json processor = platform.value("architecture", json());
    if (system == "linux" && processor == architecture) {
      return read_descriptor(entry);
    }
    if (system.is_string() && processor.is_string()) {
      there.push_back(fmt::format("{}/{}", system.get<std::string>(), processor.get<std::string>()));
    }
  }
  throw Error(
      fmt::format("it has no image for linux/{}, but for: {}", architecture, printable(join(there, ", "))));
}

std::string own_architecture() {
  struct utsname machine {};
  ::uname(&machine);
  const std::string name = machine.machine;
  return name == "x86_64" ? "amd64" : name == "aarch64" ? "arm64" : name;
}

std::string append_layer(std::string_view config, const Digest& diff_id, const std::string& created_by,
                         const std::map<std::string, std::string>& labels) {
  ordered_json document = ordered_json::parse(config, nullptr, false);
  if (!document.is_object() || !document.contains("rootfs") || !document["rootfs"].is_object() ||
      !document["rootfs"].contains("diff_ids") || !document["rootfs"]["diff_ids"].is_array()) {
    throw Error("it is no config of an image: rootfs.diff_ids is missing");
  }
  document["rootfs"]["diff_ids"].push_back(digest_text(diff_id));
  if (document.contains("history") && document["history"].is_array()) {
    ordered_json entry = {{"created_by", created_by}};
    if (document.contains("created")) {
      entry["created"] = document["created"];
    }
    document["history"].push_back(std::move(entry));
  }
  if (!labels.empty()) {
    ordered_json& settings = document["config"];
    if (!settings.is_object()) {
      settings = ordered_json::object();
    }
    ordered_json& all = settings["Labels"];
    if (!all.is_object()) {
      all = ordered_json::object();
    }
    for (const auto& [name, value] : labels) {
      all[name] = value;
    }
  }
  return document.dump();
}

}  // namespace mlpipe
