#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/base/time.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_model.hpp"
#include "pipeline/cli/find_run.hpp"
#include "pipeline/cli/find_store.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

std::string label(const std::string& model, int version) {
  return fmt::format("{}:{}", model, version);
}

// The moves of every alias of the model, or of one.
std::vector<std::string> aliases_asked_for(const Invocation& invocation, const Registry& registry,
                                           const std::string& model) {
  if (invocation.has("--alias")) {
    return {only_alias(invocation, registry, model)};
  }
  std::vector<std::string> names;
  for (const auto& [name, version] : registry.aliases(model)) {
    names.push_back(name);
  }
  return names;
}

Json move_json(const AliasEvent& event, const std::optional<int>& from,
               const std::optional<std::int64_t>& run) {
  Json json{{"alias", event.alias},
            {"at", format_time(event.at)},
            {"from", from ? Json(*from) : Json()},
            {"to", event.version},
            {"why", event.reason}};
  if (run) {
    json["run"] = *run;
  }
  return json;
}

std::map<std::string, std::string> texts_of(const Json& object) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : object.items()) {
    texts[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return texts;
}

// Where two releases come from: the pipeline, the git revision, and each step's action key.
std::map<std::string, std::string> origins_of(const Json& provenance) {
  std::map<std::string, std::string> texts;
  for (const char* key : {"pipeline", "git"}) {
    if (provenance.contains(key)) {
      texts[key] = provenance.at(key).get<std::string>();
    }
  }
  const Json steps = provenance.value("steps", Json::object());
  for (const auto& [name, step] : steps.items()) {
    texts["step " + name] = step.value("action_key", "");
  }
  return texts;
}

}  // namespace

int models_history_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const History history(store);
  const std::string model = only_model(invocation, registry);
  Json list = Json::array();
  for (const std::string& alias : aliases_asked_for(invocation, registry, model)) {
    std::optional<int> from;
    for (const AliasEvent& event : registry.history(model, alias)) {
      const auto run = history.run_that_moved_to(label(model, event.version), event.at);
      list.push_back(move_json(event, from, run));
      if (!invocation.json()) {
        fmt::print("{}  {}@{}  {} → {}  {}{}\n", format_local_time(event.at), model, alias,
                   from ? label(model, *from) : "none", label(model, event.version), event.reason,
                   run ? fmt::format(" by run {}", *run) : "");
      }
      from = event.version;
    }
  }
  if (invocation.json()) {
    fmt::print("{}\n", list.dump(2));
  } else if (list.empty()) {
    fmt::print("no alias of {} has moved yet\n", model);
  }
  return 0;
}

int models_who_was_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const std::string reference = *invocation.value("NAME@ALIAS");
  const std::size_t mark = reference.find('@');
  if (mark == std::string::npos) {
    throw UsageError(fmt::format("'{}' names no alias", printable(reference)),
                     "write NAME@ALIAS, as in digits@prod");
  }
  const std::string model = registry.resolve_reference(reference).model;
  const std::string alias = reference.substr(mark + 1);
  const auto at = invocation.value("--at");
  if (!at) {
    throw UsageError("when? say it with --at TIME",
                     "as in --at '2026-11-21 08:30', or --at 2h for two hours ago");
  }
  const auto moment = parse_moment(*at, std::chrono::system_clock::now());
  if (!moment) {
    throw UsageError(fmt::format("--at {}: this is no time", printable(*at)),
                     "write a date, a date with a time and perhaps a zone, or how long ago: 2026-11-21, "
                     "'2026-11-21 08:30 +01:00', 2h, '3 days ago'");
  }
  std::optional<AliasEvent> stood;
  const std::vector<AliasEvent> events = registry.history(model, alias);
  for (const AliasEvent& event : events) {
    if (event.at <= *moment) {
      stood = event;
    }
  }
  if (invocation.json()) {
    Json json{{"model", model}, {"alias", alias}, {"at", format_time(*moment)}, {"version", Json()}};
    if (stood) {
      json["version"] = stood->version;
      json["since"] = format_time(stood->at);
    }
    fmt::print("{}\n", json.dump(2));
  } else if (stood) {
    fmt::print("{}@{} was {} at {}, since {}\n", model, alias, label(model, stood->version),
               format_local_time(*moment), format_local_time(stood->at));
  } else {
    fmt::print("{}@{} did not exist at {}: it stands for a release since {}\n", model, alias,
               format_local_time(*moment), format_local_time(events.front().at));
  }
  return 0;
}

int models_diff_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const Registry registry(store);
  const Release before = registry.resolve_reference(*invocation.value("MODEL"));
  const Release after = registry.resolve_reference(*invocation.value("MODEL2"));
  const Json old_provenance = Json::parse(before.provenance);
  const Json new_provenance = Json::parse(after.provenance);
  using Changes = std::map<std::string, ValueChange>;
  const std::vector<std::pair<std::string, Changes>> parts = {
      {"params", changed_values(texts_of(old_provenance.value("params", Json::object())),
                                texts_of(new_provenance.value("params", Json::object())))},
      {"metrics", changed_values(before.metrics, after.metrics)},
      {"provenance", changed_values(origins_of(old_provenance), origins_of(new_provenance))}};
  Json json{{"from", before.label()},
            {"to", after.label()},
            {"same_bytes", before.artifact.digest == after.artifact.digest}};
  if (!invocation.json()) {
    fmt::print("{} → {}{}\n", before.label(), after.label(),
               before.artifact.digest == after.artifact.digest ? "  the same bytes" : "");
  }
  for (const auto& [part, changes] : parts) {
    json[part] = Json::object();
    for (const auto& [name, change] : changes) {
      json[part][name] = to_json(change);
      if (!invocation.json()) {
        fmt::print("  {:<10}  {}: {} → {}\n", part, printable(name),
                   printable(change.before.value_or("none")), printable(change.after.value_or("none")));
      }
    }
  }
  if (invocation.json()) {
    fmt::print("{}\n", json.dump(2));
  }
  return 0;
}

}  // namespace mlpipe
