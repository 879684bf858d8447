#include "pipeline/registry/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr const char* release_columns = "model, version, tree, bytes, metrics, provenance, published";

Release release_from_row(const Statement& row) {
  Release release;
  release.model = row.text(0);
  release.version = static_cast<int>(row.integer(1));
  release.artifact = {"model", true, row.digest(2), static_cast<std::uint64_t>(row.integer(3))};
  release.metrics = Json::parse(row.text(4)).get<std::map<std::string, double>>();
  release.provenance = row.text(5);
  release.published = from_milliseconds(row.integer(6));
  return release;
}

}  // namespace

std::vector<std::string> Registry::models() const {
  Statement query = store_.database().prepare("SELECT DISTINCT model FROM releases ORDER BY model");
  std::vector<std::string> names;
  while (query.step()) {
    names.push_back(query.text(0));
  }
  return names;
}

std::vector<Release> Registry::releases(const std::string& model) const {
  Statement query = store_.database().prepare(
      fmt::format("SELECT {} FROM releases WHERE model = ? ORDER BY version", release_columns));
  query.bind(model);
  std::vector<Release> found;
  while (query.step()) {
    found.push_back(release_from_row(query));
  }
  return found;
}

std::optional<Release> Registry::find(const std::string& model, int version) const {
  Statement query = store_.database().prepare(
      fmt::format("SELECT {} FROM releases WHERE model = ? AND version = ?", release_columns));
  query.bind(model).bind(version);
  return query.step() ? std::optional(release_from_row(query)) : std::nullopt;
}

std::map<Digest, int> Registry::versions_by_tree(const std::string& model) const {
  Statement query = store_.database().prepare("SELECT tree, version FROM releases WHERE model = ?");
  query.bind(model);
  std::map<Digest, int> versions;
  while (query.step()) {
    versions[query.digest(0)] = static_cast<int>(query.integer(1));
  }
  return versions;
}

std::optional<Release> Registry::find_bytes(const std::string& model, const Digest& tree) const {
  Statement query = store_.database().prepare(
      fmt::format("SELECT {} FROM releases WHERE model = ? AND tree = ?", release_columns));
  query.bind(model).bind(tree);
  return query.step() ? std::optional(release_from_row(query)) : std::nullopt;
}

void Registry::add(const Release& release) const {
  store_.database()
      .prepare(
          "INSERT INTO releases(model, version, tree, bytes, metrics, provenance, published) "
          "VALUES(?, ?, ?, ?, ?, ?, ?)")
      .bind(release.model)
      .bind(release.version)
      .bind(release.artifact.digest)
      .bind(static_cast<std::int64_t>(release.artifact.bytes))
      .bind(Json(release.metrics).dump())
      .bind(release.provenance)
      .bind(to_milliseconds(release.published))
      .run();
}

Release Registry::publish(const std::string& model, const Output& artifact,
                          const std::map<std::string, double>& metrics, const std::string& provenance) {
  const Database& database = store_.database();
  Transaction transaction(database);
  if (const auto known = find_bytes(model, artifact.digest)) {
    return *known;
  }
  Statement last = database.prepare("SELECT coalesce(max(version), 0) FROM releases WHERE model = ?");
  last.bind(model).step();
  Release release{model,      static_cast<int>(last.integer(0)) + 1, artifact, metrics,
                  provenance, std::chrono::system_clock::now()};
  add(release);
  transaction.commit();
  return release;
}

Release Registry::adopt(const Release& release) {
  Transaction transaction(store_.database());
  if (const auto known = find_bytes(release.model, release.artifact.digest)) {
    return *known;
  }
  if (find(release.model, release.version)) {
    throw UsageError(fmt::format("{} is another model in this store", release.label()),
                     "--as NAME brings it in as the next version of a model of that name");
  }
  add(release);
  transaction.commit();
  return release;
}

std::vector<AliasEvent> Registry::history(const std::string& model, const std::string& alias) const {
  Statement query = store_.database().prepare(
      "SELECT version, reason, at FROM alias_events WHERE model = ? AND alias = ? ORDER BY id");
  query.bind(model).bind(alias);
  std::vector<AliasEvent> events;
  while (query.step()) {
    events.push_back({model, alias, static_cast<int>(query.integer(0)), query.text(1),
                      from_milliseconds(query.integer(2))});
  }
  return events;
}

std::map<std::string, int> Registry::aliases(const std::string& model) const {
  Statement query =
      store_.database().prepare("SELECT alias, version FROM alias_events WHERE model = ? ORDER BY id");
  query.bind(model);
  std::map<std::string, int> found;
  while (query.step()) {
    found[query.text(0)] = static_cast<int>(query.integer(1));
  }
  return found;
}

std::optional<Release> Registry::resolve(const std::string& model, const std::string& alias) const {
  const std::vector<AliasEvent> events = history(model, alias);
  return events.empty() ? std::nullopt : find(model, events.back().version);
}

std::optional<Release> Registry::release_before(const std::string& model, const std::string& alias) const {
  std::vector<int> stack;
  for (const AliasEvent& event : history(model, alias)) {
    const auto found = std::find(stack.begin(), stack.end(), event.version);
    if (event.reason == "rollback" && found != stack.end()) {
      stack.erase(found + 1, stack.end());
    } else {
      stack.push_back(event.version);
    }
  }
  return stack.size() < 2 ? std::nullopt : find(model, stack[stack.size() - 2]);
}

bool Registry::has_files(const Release& release) const {
  return store_.blobs().contains(release.artifact);
}

void Registry::require_files(const Release& release) const {
  if (has_files(release)) {
    return;
  }
  const std::string again = fmt::format(
      "run its pipeline with the params that `mlpipe models show {}` names, or import it from another store",
      release.label());
  Statement query =
      store_.database().prepare("SELECT at FROM collected_releases WHERE model = ? AND version = ?");
  query.bind(release.model).bind(release.version);
  if (query.step()) {
    throw Error(
        fmt::format("the files of {} are not in the store any more: `mlpipe store gc` took them at {}",
                    release.label(), format_time(from_milliseconds(query.integer(0)))),
        again);
  }
  throw Error(
      fmt::format("the files of {} are not in the store: they were damaged or removed", release.label()),
      again);
}

std::optional<AliasState> Registry::alias_state(const std::string& model, const std::string& alias) const {
  const std::vector<AliasEvent> events = history(model, alias);
  if (events.empty()) {
    return std::nullopt;
  }
  const auto current = find(model, events.back().version);
  if (!current) {
    return std::nullopt;
  }
  AliasState state{current->version, current->artifact.digest, current->metrics, {}};
  std::map<int, bool> set_aside;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i > 0 && events[i].reason == "rollback") {
      set_aside[events[i - 1].version] = true;
    }
    set_aside[events[i].version] = false;
  }
  for (const auto& [version, aside] : set_aside) {
    if (const auto release = aside ? find(model, version) : std::nullopt) {
      state.set_aside.push_back(release->artifact.digest);
    }
  }
  return state;
}

void Registry::move_alias(const std::string& model, const std::string& alias, int version,
                          const std::string& reason) {
  store_.database()
      .prepare("INSERT INTO alias_events(model, alias, version, reason, at) VALUES(?, ?, ?, ?, ?)")
      .bind(model)
      .bind(alias)
      .bind(version)
      .bind(reason)
      .bind(to_milliseconds(std::chrono::system_clock::now()))
      .run();
}

Release Registry::resolve_reference(const std::string& reference) const {
  const std::size_t mark = reference.find_first_of(":@");
  const std::string model = reference.substr(0, mark);
  const std::vector<Release> all = releases(model);
  if (all.empty()) {
    throw UsageError(fmt::format("there is no release of a model '{}'", printable(model)),
                     suggest_name(model, models()));
  }
  if (mark == std::string::npos) {
    return all.back();
  }
  const std::string which = reference.substr(mark + 1);
  if (reference[mark] == '@') {
    const std::map<std::string, int> known = aliases(model);
    const auto found = known.find(which);
    if (found == known.end()) {
      std::vector<std::string> names;
      for (const auto& [name, version] : known) {
        names.push_back(name);
      }
      throw UsageError(fmt::format("{} has no alias '{}'", model, printable(which)),
                       suggest_name(which, names));
    }
    return *find(model, found->second);
  }
  const auto version = parse_integer(which);
  const auto release = version ? find(model, static_cast<int>(*version)) : std::nullopt;
  if (!release) {
    throw UsageError(fmt::format("{} has no version '{}'", model, printable(which)),
                     fmt::format("it has 1 to {}", all.back().version));
  }
  return *release;
}

}  // namespace mlpipe
