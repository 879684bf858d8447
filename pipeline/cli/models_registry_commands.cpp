// Models in OCI registries: push, pull.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/called_program.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/json.hpp"
#include "pipeline/model/check_model.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/registry/registry.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/pins.hpp"
#include "pipeline/store/store_lock.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A manifest carries the release's row of the index with it, as an export does.
constexpr const char* release_annotation = "mlpipe.release";

std::string row_text(const Release& release) {
  IndexRows rows;
  rows.releases.push_back({release.model, release.version, release.artifact.digest, release.artifact.bytes,
                           release.metrics, release.provenance, release.published, std::nullopt});
  return to_lines(rows);
}

// What ModelPack's config says of a model, and the row.
Json description_of(const Release& release, const fs::path& files) {
  const Json provenance = Json::parse(release.provenance);
  Json descriptor = {{"name", release.model},
                     {"version", std::to_string(release.version)},
                     {"createdAt", format_time(release.published)}};
  if (provenance.contains("git")) {
    descriptor["revision"] = provenance["git"];
  }
  const Model model = read_model(files);
  Json config = {{"format", format_name(model.format)}};
  if (model.format == WeightsFormat::safetensors) {
    config["precision"] = "fp32";
  }
  return {{"descriptor", descriptor},
          {"config", config},
          {"annotations", {{release_annotation, row_text(release)}}}};
}

// Of a model that another program wrote, as far as its descriptor goes.
Release release_of_others(const Json& pulled) {
  Release release;
  const Json& descriptor = pulled.at("descriptor");
  const std::string reference = pulled.at("reference");
  const std::string repository = reference.substr(0, reference.find_first_of("@:", reference.find('/')));
  release.model = repository.substr(repository.rfind('/') + 1);
  release.provenance = Json{
      {"pipeline", ""},
      {"params", Json::object()},
      {"steps", Json::object()},
      {"pulled", {{"reference", reference}, {"digest", pulled.at("digest")}}},
      {"descriptor",
       descriptor}}.dump();
  return release;
}

std::optional<Release> release_in(const Json& pulled) {
  const Json& annotations = pulled.at("annotations");
  if (!annotations.contains(release_annotation)) {
    return std::nullopt;
  }
  const std::string reference = pulled.at("reference");
  const IndexRows rows = parse_lines(annotations[release_annotation].get<std::string>(), reference);
  if (rows.releases.size() != 1) {
    throw UsageError(fmt::format("{}: its annotation {} holds no release", reference, release_annotation));
  }
  const ReleaseRow& row = rows.releases.front();
  return Release{row.model,   row.version,    {"model", true, row.tree, row.bytes},
                 row.metrics, row.provenance, row.published};
}

void require_model(const fs::path& folder, const std::string& reference) {
  if (const std::vector<ModelFault> faults = check_model(folder); !faults.empty()) {
    throw UsageError(fmt::format("{} holds no model that can be served:{}", reference, text_of(faults)));
  }
}

// Takes the files into the store and gives them their name.
Release bring_in(const Store& store, const Json& pulled, const std::optional<std::string>& name) {
  const std::string reference = pulled.at("reference");
  const fs::path folder = pulled.at("folder").get<std::string>();
  require_model(folder, reference);
  std::optional<Release> release = release_in(pulled);
  const bool own = release.has_value();
  if (!own) {
    release = release_of_others(pulled);
  }
  const Output artifact = store.blobs().take("model", folder);
  if (own && artifact.digest != release->artifact.digest) {
    throw UsageError(fmt::format("{}: its files are not those of the release {} that it says it is",
                                 reference, release->label()));
  }
  store.blobs().sync();
  release->artifact = artifact;
  Registry registry(store);
  const Release brought = own && !name ? registry.adopt(*release)
                                       : registry.publish(name.value_or(release->model), artifact,
                                                          release->metrics, release->provenance);
  add_pin(store, {Pin::Kind::release, brought.label(), "pulled from " + reference,
                  std::chrono::system_clock::now()});
  return brought;
}

}  // namespace

int models_push_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const Release release = registry.resolve_reference(*invocation.value("MODEL"));
  const StoreLock in_use = StoreLock::shared(store.directory());
  registry.require_files(release);
  const fs::path files = store.blobs().path_of(release.artifact);
  std::vector<std::string> arguments = {sibling_program("mlpipe-registry").string(),
                                        "push",
                                        "--to=" + *invocation.value("REFERENCE"),
                                        fmt::format("--version={}", release.version),
                                        "--model=" + files.string(),
                                        "--label=mlpipe.model=" + release.label()};
  for (const char* option : {"--server", "--engine"}) {
    if (const auto value = invocation.value(option)) {
      arguments.push_back(fmt::format("{}={}", option, *value));
    }
  }
  Json pushed = Json::parse(output_of_program(arguments, description_of(release, files).dump()));
  pushed["model"] = release.model;
  pushed["version"] = release.version;
  if (invocation.json()) {
    fmt::print("{}\n", pushed.dump(2));
    return 0;
  }
  if (pushed.contains("image")) {
    const Json& layers = pushed["image"]["layers"];
    fmt::print(stderr, "{} is in {}, to be run: {} sent, {} mounted, {} there already\n", release.label(),
               pushed["image"]["reference"].get<std::string>(), layers["sent"].get<int>(),
               layers["mounted"].get<int>(), layers["there"].get<int>());
  }
  fmt::print(
      stderr, "{} is in {}, to be pulled{}\n", release.label(),
      pushed["artifact"]["reference"].get<std::string>(),
      pushed.contains("image") ? "" : "; name a server's image with --server to make one to be run too");
  return 0;
}

int models_pull_command(const Invocation& invocation) {
  const Store store = find_or_make_store(invocation);
  store.require_writable();
  const StoreLock in_use = StoreLock::shared(store.directory());
  const fs::path incoming = store.directory() / "incoming";
  fs::create_directories(incoming);
  const TemporaryDirectory staging(incoming);
  const std::string said = output_of_program({sibling_program("mlpipe-registry").string(), "pull",
                                              "--to=" + (staging.path() / "pulled").string(), "--",
                                              *invocation.value("REFERENCE")});
  const Release release = bring_in(store, Json::parse(said), invocation.value("--as"));
  const Registry registry(store);
  if (invocation.json()) {
    fmt::print("{}", release_json(release, registry));
  } else {
    fmt::print(stderr, "{} is in the store; `mlpipe models promote {}` serves it\n", release.label(),
               release.label());
  }
  return 0;
}

}  // namespace mlpipe
