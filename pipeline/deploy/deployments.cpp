#include "pipeline/deploy/deployments.hpp"

namespace mlpipe {

std::vector<DeploymentRecord> deployments(const Store& store) {
  Statement query = store.database().prepare(
      "SELECT alias, model, target, version, phase, changed FROM deployments ORDER BY alias");
  std::vector<DeploymentRecord> found;
  while (query.step()) {
    found.push_back({query.text(0), query.text(1), query.text(2), static_cast<int>(query.integer(3)),
                     query.text(4), from_milliseconds(query.integer(5))});
  }
  return found;
}

std::optional<DeploymentRecord> find_deployment(const Store& store, const std::string& alias) {
  for (DeploymentRecord& record : deployments(store)) {
    if (record.alias == alias) {
      return std::move(record);
    }
  }
  return std::nullopt;
}

void record_deployment(const Store& store, const std::string& alias, const std::string& model,
                       const std::string& target, int version, const std::string& phase) {
  store.database()
      .prepare(
          "INSERT INTO deployments(alias, model, target, version, phase, generation, changed) "
          "VALUES(?, ?, ?, ?, ?, 1, ?) ON CONFLICT(alias) DO UPDATE SET model = excluded.model, "
          "target = excluded.target, version = excluded.version, phase = excluded.phase, "
          "generation = generation + 1, changed = excluded.changed")
      .bind(alias)
      .bind(model)
      .bind(target)
      .bind(version)
      .bind(phase)
      .bind(to_milliseconds(std::chrono::system_clock::now()))
      .run();
}

std::filesystem::path rollout_lock(const Store& store, const std::string& alias) {
  return store.deployment_directory(alias + ".rollout");
}

ServedRelease served(const Store& store, const Release& release) {
  Registry(store).require_files(release);
  return {std::to_string(release.version), release.artifact.digest, store.blobs().path_of(release.artifact)};
}

}  // namespace mlpipe
