#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/commands.hpp"
#include "pipeline/oci/labels.hpp"
#include "pipeline/oci/model_image.hpp"
#include "pipeline/oci/model_pack.hpp"
#include "pipeline/oci/push_engine_image.hpp"
#include "pipeline/oci/registry_options.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// An image whose name has a host is in that registry; any other is an engine's. podman calls its own
// "localhost/…".
bool is_in_registry(const std::string& server) {
  const std::string first = server.substr(0, server.find('/'));
  return first.size() < server.size() && first != "localhost" &&
         first.find_first_of(".:") != std::string::npos;
}

// Brings the server's image from an engine into the target's repository, once: its id names it there.
ImageReference push_server(const PushRequest& request, RegistryClient& to, const ImageReference& target) {
  const Engine engine = Engine::find(request.engine, own_environment());
  const ImageReference pushed = push_engine_image(engine, request.server, to, target, "server");
  return pushed.with_tag(pushed.tag);
}

ordered_json push_runnable(const PushRequest& request, RegistryClient& to, const ImageReference& target,
                           const ModelLayer& layer, const ModelDescription& description,
                           const fs::path& folder) {
  const ImageReference server =
      is_in_registry(request.server) ? parse_reference(request.server) : push_server(request, to, target);
  std::optional<RegistryClient> other;
  if (server.registry != to.registry()) {
    other.emplace(server.registry, own_environment(), registry_options(own_environment()));
  }
  const PushedImage pushed = push_model_image(other ? *other : to, server, to, target, layer,
                                              parse_labels(request.labels), description.annotations, folder);
  return {
      {"reference", target.text()},
      {"digest", digest_text(pushed.manifest)},
      {"server", server.text()},
      {"layers",
       {{"there", pushed.layers_there}, {"mounted", pushed.layers_mounted}, {"sent", pushed.layers_sent}}}};
}

}  // namespace

void push_command(const PushRequest& request) {
  ImageReference target = parse_reference(request.to);
  if (target.digest) {
    throw UsageError(
        fmt::format("{}: what is pushed is given a tag, and its digest follows from it", request.to));
  }
  if (target.tag.empty()) {
    target.tag = request.version;
  }
  const ImageReference artifact = target.with_tag(target.tag + "-model");
  if (!is_tag(artifact.tag)) {
    throw UsageError(fmt::format("'{}' is no tag", printable(artifact.tag)));
  }
  const ModelDescription description = parse_description(read_file("/dev/stdin", largest_description));
  const TemporaryDirectory folder;
  const ModelLayer layer = write_model_layer(request.model, folder.path() / "layer.tar");
  RegistryClient to(target.registry, own_environment(), registry_options(own_environment()));
  ordered_json report = ordered_json::object();
  if (!request.server.empty()) {
    report["image"] = push_runnable(request, to, target, layer, description, folder.path());
  }
  report["artifact"] = {{"reference", artifact.text()},
                        {"digest", digest_text(push_model_pack(to, artifact, layer, description))}};
  report["model_layer"] = {{"digest", digest_text(layer.digest)}, {"size", layer.bytes}};
  fmt::print("{}\n", report.dump());
}

void pull_command(const PullRequest& request) {
  const ImageReference reference = parse_reference(request.reference);
  if (fs::exists(fs::symlink_status(request.to))) {
    throw UsageError(fmt::format("{} is there already", request.to.string()));
  }
  RegistryClient from(reference.registry, own_environment(), registry_options(own_environment()));
  const PulledModel pulled = pull_model(from, reference, request.to);
  fmt::print("{}\n", ordered_json{{"reference", reference.text()},
                                  {"digest", digest_text(pulled.manifest)},
                                  {"folder", pulled.folder.string()},
                                  {"annotations", pulled.annotations},
                                  {"descriptor", pulled.descriptor}}
                         .dump());
}

void push_image_command(const PushImageRequest& request) {
  const ImageReference target = parse_reference(request.to);
  if (!target.tag.empty() || target.digest) {
    throw UsageError(fmt::format("{}: an image is pushed to a repository, its tag follows from its id",
                                 printable(request.to)));
  }
  RegistryClient to(target.registry, own_environment(), registry_options(own_environment()));
  ImageReference pushed =
      push_engine_image(Engine::find(request.engine, own_environment()), request.image, to, target, "image");
  pushed.tag.clear();
  fmt::print("{}\n", ordered_json{{"reference", pushed.text()}}.dump());
}

void resolve_command(const ResolveRequest& request) {
  const ImageReference reference = parse_reference(request.reference);
  const std::string& platform = request.platform;
  constexpr std::string_view linux_system = "linux/";
  if (!platform.empty() && (!platform.starts_with(linux_system) || platform.size() == linux_system.size())) {
    throw UsageError(fmt::format("'{}' is no platform of containers here", printable(platform)),
                     "write linux/amd64 or linux/arm64");
  }
  RegistryClient registry(reference.registry, own_environment(), registry_options(own_environment()));
  const ImageReference found = resolve_image(
      registry, reference, platform.empty() ? own_architecture() : platform.substr(linux_system.size()));
  const std::string said = ordered_json{{"id", digest_text(*found.digest)}, {"name", found.text()}}.dump();
  fmt::print("{}\n", said);
  if (!request.output.empty()) {
    write_file_atomically(request.output, said + "\n", 0644, Durability::later);
  }
  if (!request.bases.empty()) {
    write_file_atomically(request.bases, "{}\n", 0644, Durability::later);
  }
}

}  // namespace mlpipe
