#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_model.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/json.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/model/check_model.hpp"
#include "pipeline/model/linear_c.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/registry/registry.hpp"
#include "pipeline/store/store_lock.hpp"

namespace mlpipe {
namespace {

std::string aliases_text(const Release& release, const Registry& registry) {
  std::vector<std::string> names;
  for (const auto& [alias, version] : registry.aliases(release.model)) {
    if (version == release.version) {
      names.push_back(alias);
    }
  }
  return join(names, ",");
}

// First what says most of a model, whatever its task; then the others by name.
std::vector<std::pair<std::string, double>> metrics_by_weight(const Release& release) {
  constexpr std::array<std::string_view, 7> weighty = {"accuracy", "f1_macro", "roc_auc", "r2",
                                                       "mae",      "mse",      "loss"};
  std::vector<std::pair<std::string, double>> metrics(release.metrics.begin(), release.metrics.end());
  std::stable_sort(metrics.begin(), metrics.end(), [&](const auto& a, const auto& b) {
    return std::find(weighty.begin(), weighty.end(), a.first) <
           std::find(weighty.begin(), weighty.end(), b.first);
  });
  return metrics;
}

std::string shown_metrics(const Release& release, std::size_t most) {
  std::string text;
  for (const auto& [name, value] : metrics_by_weight(release)) {
    if (most-- == 0) {
      break;
    }
    text += fmt::format("{}{} {:.4g}", text.empty() ? "" : "  ", name, value);
  }
  return text;
}

void report_move(const Invocation& invocation, const Release& release, const std::string& alias,
                 const Registry& registry) {
  if (invocation.json()) {
    fmt::print("{}", release_json(release, registry));
  } else {
    fmt::print(stderr, "{}@{} is {} now\n", release.model, alias, release.label());
  }
}

// A folder with NAME.c in it, which must not exist yet, as when the files are copied.
void export_as(const std::string& format, const std::string& name, const std::filesystem::path& artifact,
               const std::filesystem::path& to) {
  if (format != "c") {
    throw UsageError(fmt::format("--format {} is unknown", printable(format)), "the only format is c");
  }
  const std::string text = linear_model_as_c(read_model(artifact), read_safetensors(artifact / weights_file));
  std::error_code error;
  if (!std::filesystem::create_directory(to, error)) {
    throw UsageError(fmt::format("making the folder {}: {}", to.string(),
                                 error ? error.message() : "there is something with this name already"),
                     "name a folder that does not exist yet");
  }
  write_file_atomically(to / (name + ".c"), text);
}

}  // namespace

int models_list_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  std::vector<Release> all;
  for (const std::string& model : registry.models()) {
    if (invocation.value_or("NAME", model) == model) {
      const std::vector<Release> releases = registry.releases(model);
      all.insert(all.end(), releases.begin(), releases.end());
    }
  }
  if (all.empty() && invocation.has("NAME")) {
    registry.resolve_reference(*invocation.value("NAME"));  // says which models there are
  }
  if (invocation.json()) {
    fmt::print("{}", releases_json(all, registry));
    return 0;
  }
  constexpr std::size_t few = 3;
  for (const Release& release : all) {
    fmt::print("{:<16} {:<8} {}  {:<10} {}  {}{}\n", release.label(), aliases_text(release, registry),
               format_time(release.published), format_bytes(release.artifact.bytes),
               release.artifact.digest.short_hex(), shown_metrics(release, few),
               registry.has_files(release) ? "" : "  (its files are not in the store any more)");
  }
  return 0;
}

int models_show_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const Release release = registry.resolve_reference(*invocation.value("MODEL"));
  if (invocation.json()) {
    fmt::print("{}", release_json(release, registry));
    return 0;
  }
  const auto provenance = nlohmann::ordered_json::parse(release.provenance);
  fmt::print("{}\n  published  {}\n  digest     sha256:{}\n  size       {}\n  aliases    {}\n",
             release.label(), format_time(release.published), release.artifact.digest.hex(),
             format_bytes(release.artifact.bytes), aliases_text(release, registry));
  for (const auto& [name, value] : metrics_by_weight(release)) {
    fmt::print("  metric     {} = {:.4g}\n", printable(name), value);
  }
  fmt::print("  pipeline   {}\n", provenance.value("pipeline", ""));
  if (provenance.contains("git")) {
    fmt::print("  git        {}\n", provenance["git"].get<std::string>());
  }
  for (const auto& [name, value] : provenance.at("params").items()) {
    fmt::print("  param      {} = {}\n", name, value.get<std::string>());
  }
  for (const auto& [name, step] : provenance.at("steps").items()) {
    fmt::print("  step       {}  {}\n", name, step.at("action_key").get<std::string>());
  }
  fmt::print("  files      {}\n", registry.has_files(release)
                                      ? store.blobs().path_of(release.artifact).string()
                                      : "not in the store any more");
  return 0;
}

int models_rollback_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  const Registry registry(store);
  const std::string model = only_model(invocation, registry);
  const std::string alias = only_alias(invocation, registry, model);
  const Release current = *registry.resolve(model, alias);
  std::optional<Release> earlier;
  if (const auto to = invocation.value("--to")) {
    earlier = registry.resolve_reference(model + ":" + *to);
  } else {
    earlier = registry.release_before(model, alias);
    if (!earlier) {
      throw UsageError(fmt::format("{} is the first release that {} stood for: there is none to go back to",
                                   current.label(), alias),
                       "`mlpipe models ls` lists the releases");
    }
  }
  if (earlier->version == current.version) {
    throw UsageError(fmt::format("{}@{} is {} already", model, alias, current.label()));
  }
  move_by_hand(store, *earlier, alias, "rollback");
  report_move(invocation, *earlier, alias, registry);
  return 0;
}

int models_promote_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  const Registry registry(store);
  const Release release = registry.resolve_reference(*invocation.value("MODEL"));
  const std::string alias = only_alias(invocation, registry, release.model);
  move_by_hand(store, release, alias, "promote");
  report_move(invocation, release, alias, registry);
  return 0;
}

int models_check_command(const Invocation& invocation) {
  const std::string folder = *invocation.value("DIR");
  const std::vector<ModelFault> faults = check_model(folder);
  if (invocation.json()) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const ModelFault& fault : faults) {
      list.push_back({{"fault", fault.what}, {"hint", fault.hint}});
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"folder", folder}, {"faults", list}}.dump(2));
    return faults.empty() ? 0 : 2;
  }
  if (!faults.empty()) {
    fmt::print("{}: {}{}\n", folder, count_of(faults.size(), "fault"), text_of(faults));
    return 2;
  }
  const Model model = read_model(folder);
  fmt::print("{} is a model: {} of {} into {}, {} in {}\n", folder, task_name(model.task),
             shape_text(model.input_shape), count_of(model.labels.size(), "label"), format_name(model.format),
             model.weights_name);
  return 0;
}

int models_export_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const Release release = registry.resolve_reference(*invocation.value("MODEL"));
  const auto to = invocation.value("--to");
  if (!to) {
    throw UsageError("where to? name the folder with --to DIR");
  }
  const StoreLock in_use = StoreLock::shared(store.directory());
  registry.require_files(release);
  if (invocation.has("--format")) {
    export_as(*invocation.value("--format"), release.model, store.blobs().path_of(release.artifact), *to);
  } else {
    store.blobs().copy_to(release.artifact, *to);
  }
  if (invocation.json()) {
    fmt::print("{}", release_json(release, registry));
  } else {
    fmt::print(stderr, "{} is in {}\n", release.label(), *to);
  }
  return 0;
}

}  // namespace mlpipe
