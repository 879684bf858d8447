#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// A published model: immutable. Where it came from is here, not in the model's own bytes.
struct Release {
  std::string model;
  int version = 0;
  Output artifact;                        // the model's folder
  std::map<std::string, double> metrics;  // "accuracy" of the step that made it, "check.f1" of others
  std::string provenance;  // JSON: pipeline, params, derivations, action keys, git revision, images
  std::chrono::system_clock::time_point published;

  std::string label() const { return model + ":" + std::to_string(version); }
};

// One move of an alias. The last one says what it stands for.
struct AliasEvent {
  std::string model;
  std::string alias;
  int version = 0;
  std::string reason;  // "published", "moved", "rollback", "promote"
  std::chrono::system_clock::time_point at;
};

// The names for bytes: models, their releases, and aliases with their history. Uses the store's index.
class Registry {
 public:
  // The store must outlive this.
  explicit Registry(const Store& store) : store_(store) {}

  std::vector<std::string> models() const;
  // The oldest first.
  std::vector<Release> releases(const std::string& model) const;
  std::optional<Release> find(const std::string& model, int version) const;
  std::map<Digest, int> versions_by_tree(const std::string& model) const;

  // The release of these bytes: a new version, unless they were released before.
  Release publish(const std::string& model, const Output& artifact,
                  const std::map<std::string, double>& metrics, const std::string& provenance);

  // Brings in a release that another store made, under its own version; bytes that are known keep the version
  // that they have here. Throws UsageError when the version stands for other bytes here.
  Release adopt(const Release& release);

  // The oldest first.
  std::vector<AliasEvent> history(const std::string& model, const std::string& alias) const;
  // Every alias of the model with what it stands for.
  std::map<std::string, int> aliases(const std::string& model) const;
  // The release that a rollback of the alias goes to: what it stood for before; twice in a row goes back
  // twice.
  std::optional<Release> release_before(const std::string& model, const std::string& alias) const;
  // Whether the release's files are in the store; gc takes those of old releases away.
  bool has_files(const Release& release) const;
  // Throws Error that says what happened to them, and what to do.
  void require_files(const Release& release) const;
  std::optional<Release> resolve(const std::string& model, const std::string& alias) const;
  // For a plan: the release behind the alias, and those that a rollback set aside.
  std::optional<AliasState> alias_state(const std::string& model, const std::string& alias) const;
  void move_alias(const std::string& model, const std::string& alias, int version, const std::string& reason);

  // "digits", "digits:2", "digits@prod": the newest, a version, or what an alias stands for. Throws
  // UsageError that names what there is.
  Release resolve_reference(const std::string& reference) const;

 private:
  std::optional<Release> find_bytes(const std::string& model, const Digest& tree) const;
  void add(const Release& release) const;
  const Store& store_;
};

}  // namespace mlpipe
