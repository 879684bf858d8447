#include "pipeline/oci/model_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/image.hpp"
#include "pipeline/oci/tar_writer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* created_by = "mlpipe: a model at /model";

// What `docker load` reads: the config, and of the layers only the new one. Those that it has it knows by
// their diff ids and never opens.
void write_archive(const fs::path& file, const std::string& config, const ModelLayer& layer,
                   const std::string& tag) {
  const FileDescriptor output = open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
  TarWriter tar([&](std::string_view bytes) { write_all(output.get(), bytes, file.string()); });
  const std::string config_name = digest_of(config).hex() + ".json";
  const std::string layer_name = layer.digest.hex() + "/layer.tar";
  ordered_json layers = ordered_json::array();
  const json diff_ids = json::parse(config).at("rootfs").at("diff_ids");
  for (std::size_t i = 0; i + 1 < diff_ids.size(); ++i) {
    layers.push_back(fmt::format("layer-{}-that-is-there/layer.tar", i));
  }
  layers.push_back(layer_name);
  const ordered_json manifest = {{{"Config", config_name}, {"RepoTags", {tag}}, {"Layers", layers}}};
  tar.file("manifest.json", manifest.dump());
  tar.file(config_name, config);
  tar.folder(layer.digest.hex());
  tar.file_from(layer_name, layer.file);
  tar.finish();
}

// What `podman load` reads, and knows layers by their diff ids too. Docker's media types: with OCI's it
// forgets the HEALTHCHECK.
void write_folder(const fs::path& folder, const std::string& config, const ModelLayer& layer) {
  fs::create_directory(folder);
  constexpr const char* layer_type = "application/vnd.docker.image.rootfs.diff.tar";
  ordered_json layers = ordered_json::array();
  const json diff_ids = json::parse(config).at("rootfs").at("diff_ids");
  for (const json& diff_id : diff_ids) {
    layers.push_back({{"mediaType", layer_type}, {"digest", diff_id}, {"size", 0}});
  }
  layers.back()["size"] = layer.bytes;
  const Digest digest = digest_of(config);
  const ordered_json manifest = {{"schemaVersion", 2},
                                 {"mediaType", media_type::docker_manifest},
                                 {"config",
                                  {{"mediaType", "application/vnd.docker.container.image.v1+json"},
                                   {"digest", digest_text(digest)},
                                   {"size", config.size()}}},
                                 {"layers", layers}};
  const auto write = [&](const std::string& name, const std::string& bytes) {
    write_file_atomically(folder / name, bytes, 0644, Durability::later);
  };
  write("version", "Directory Transport Version: 1.1\n");
  write("manifest.json", manifest.dump());
  write(digest.hex(), config);
  fs::create_hard_link(layer.file, folder / layer.digest.hex());
}

// False where the engine does not take an image without all of its layers.
bool try_load(const Engine& engine, const std::string& config, const ModelLayer& layer,
              const std::string& tag, const fs::path& folder) {
  const std::string id = digest_text(digest_of(config));
  const fs::path image = folder / "image";
  try {
    if (engine.kind() == EngineKind::podman) {
      write_folder(image, config, layer);
      load_image(engine, image);
      tag_image(engine, id, tag);
    } else {
      write_archive(image, config, layer, tag);
      load_image(engine, image);
    }
    return inspect_image(engine, tag).id == id;
  } catch (const Error& error) {
    fmt::print(stderr, "mlpipe-registry: {} wants the whole image ({}); building it instead\n", engine.name(),
               error.what());
    return false;
  }
}

// Builders look ids up in registries, so an image without a name gets one; taking it away again would take
// the image away.
std::string name_for_build(const Engine& engine, const EngineImage& image) {
  if (!image.tags.empty()) {
    return image.tags.front();
  }
  const std::string name = "mlpipe-server:" + image.id.substr(image.id.find(':') + 1);
  tag_image(engine, image.id, name);
  return name;
}

std::string build_from(const Engine& engine, const EngineImage& server, const ModelLayer& layer,
                       const Labels& labels, const std::string& tag, const fs::path& folder) {
  const fs::path context = folder / "context";
  fs::create_directory(context);
  fs::create_hard_link(layer.file, context / "model.tar");
  const std::string base = name_for_build(engine, server);
  write_file_atomically(context / "Dockerfile", fmt::format("FROM {}\nADD model.tar /\n", base), 0644,
                        Durability::later);
  return build_image(engine, context, labels, tag);
}

// Brings one blob of the server's image into the target's repository.
void take_blob(RegistryClient& from, const std::string& from_repository, RegistryClient& to,
               const std::string& to_repository, const Descriptor& blob, const fs::path& folder,
               PushedImage& pushed) {
  if (to.has_blob(to_repository, blob.digest)) {
    ++pushed.layers_there;
    return;
  }
  if (from.registry() == to.registry() && to.mount_blob(to_repository, blob.digest, from_repository)) {
    ++pushed.layers_mounted;
    return;
  }
  const fs::path file = folder / blob.digest.hex();
  from.get_blob(from_repository, blob.digest, blob.bytes, file);
  to.put_blob(to_repository, blob.digest, file);
  ::unlink(file.c_str());
  ++pushed.layers_sent;
}

}  // namespace

EngineModelImage make_model_image(const Engine& engine, const std::string& server, const ModelLayer& layer,
                                  const Labels& labels, const std::string& tag, const fs::path& folder) {
  const EngineImage image = inspect_image(engine, server);
  const std::string config = append_layer(image.config, layer.digest, created_by, labels);
  if (try_load(engine, config, layer, tag, folder)) {
    return {digest_text(digest_of(config)), "load"};
  }
  return {build_from(engine, image, layer, labels, tag, folder), "build"};
}

PushedImage push_model_image(RegistryClient& from, const ImageReference& server, RegistryClient& to,
                             const ImageReference& target, const ModelLayer& layer, const Labels& labels,
                             const std::map<std::string, std::string>& annotations, const fs::path& folder) {
  const FetchedManifest fetched = from.get_manifest(server);
  Manifest manifest;
  std::string config;
  try {
    manifest = parse_manifest(fetched.text);
    if (manifest.config.media_type != media_type::oci_config) {
      throw Error(fmt::format(
          "it is no image but an artifact of type {}",
          printable(manifest.artifact_type.empty() ? manifest.config.media_type : manifest.artifact_type)));
    }
    config = append_layer(from.get_small_blob(server.repository, manifest.config), layer.digest, created_by,
                          labels);
  } catch (const Unavailable&) {
    throw;
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", server.text(), error.what()), error.hint());
  }
  PushedImage pushed;
  for (const Descriptor& blob : manifest.layers) {
    take_blob(from, server.repository, to, target.repository, blob, folder, pushed);
  }
  const bool was_there = to.put_blob(target.repository, layer.digest, layer.file) == Upload::was_there;
  ++(was_there ? pushed.layers_there : pushed.layers_sent);
  to.put_small_blob(target.repository, config);
  manifest.layers.push_back({media_type::oci_layer, layer.digest, layer.bytes, {}});
  manifest.config = {media_type::oci_config, digest_of(config), config.size(), {}};
  for (const auto& [name, value] : annotations) {
    manifest.annotations[name] = value;
  }
  manifest.annotations[model_layer_annotation] = digest_text(layer.digest);
  manifest.annotations["org.opencontainers.image.base.digest"] = digest_text(fetched.digest);
  const std::string text = to_text(manifest);
  pushed.manifest = digest_of(text);
  to.put_manifest(target.repository, target.target(), text);
  return pushed;
}

}  // namespace mlpipe
