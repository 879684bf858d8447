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
  const EngineImage image = inspect_image(engine, request.server);
  constexpr std::size_t digits = 32;
  const ImageReference name = target.with_tag("server-" + image.id.substr(image.id.find(':') + 1, digits));
  if (!to.head_manifest(name.repository, name.tag)) {
    fmt::print(stderr, "mlpipe-registry: pushing {} to {}, which does not have it yet\n", request.server,
               name.text());
    tag_image(engine, image.id, name.text());
    push_image(engine, name.text(), to.speaks_plain_http());
    if (!image.tags.empty()) {  // the last name would take the image with it
      untag_image(engine, name.text());
    }
  }
  return name;
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

}  // namespace mlpipe
