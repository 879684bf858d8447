#include "pipeline/store/usage.hpp"

#include <set>

#include "pipeline/store/collect_garbage.hpp"
#include "pipeline/store/disk_sizes.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class Shares {
 public:
  explicit Shares(const Store& store) : store_(store) {}

  // Adds an output's blobs to those of a step or model.
  void add(std::set<Digest>& blobs, const Output& output) const {
    blobs.insert(output.digest);
    std::error_code error;
    if (output.folder && fs::exists(store_.blobs().path_of_blob(output.digest), error)) {
      for (const TreeEntry& entry : store_.blobs().entries_of(output.digest)) {
        if (!entry.folder) {
          blobs.insert(entry.digest);
        }
      }
    }
  }

  std::uint64_t bytes(const std::set<Digest>& blobs) const {
    DiskSizes sizes;
    std::uint64_t sum = 0;
    for (const Digest& blob : blobs) {
      sum += sizes.add(store_.blobs().path_of_blob(blob));
    }
    return sum;
  }

 private:
  const Store& store_;
};

std::map<Digest, std::set<std::string>> steps_by_key(const Store& store) {
  std::map<Digest, std::set<std::string>> steps;
  Statement query = store.database().prepare("SELECT DISTINCT action_key, step FROM realizations");
  while (query.step()) {
    steps[query.digest(0)].insert(query.text(1));
  }
  return steps;
}

}  // namespace

StoreUsage usage_of(const Store& store, std::span<const Root> roots) {
  StoreUsage usage;
  DiskSizes sizes;
  const fs::path& directory = store.directory();
  usage.kinds["blobs"] = sizes.add(directory / "blobs");  // first: what trees share with them is theirs
  for (const char* kind : {"trees", "jobs", "checkpoints", "quarantine", "deployments"}) {
    usage.kinds[kind] = sizes.add(directory / kind);
  }
  for (const char* file : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}) {
    usage.kinds["index"] += sizes.add(directory / file);
  }
  usage.kinds["other"] = sizes.add(directory);
  for (const auto& [kind, bytes] : usage.kinds) {
    usage.total += bytes;
  }

  const Shares shares(store);
  const std::map<Digest, std::set<std::string>> steps = steps_by_key(store);
  std::map<std::string, std::set<Digest>> blobs_of_step;
  for (const Result& result : store.all_results()) {
    const auto known = steps.find(result.action_key);
    for (const std::string& step : known == steps.end() ? std::set<std::string>{} : known->second) {
      for (const Output& output : result.outputs) {
        shares.add(blobs_of_step[step], output);
      }
      blobs_of_step[step].insert(result.log);
    }
  }
  for (const auto& [step, blobs] : blobs_of_step) {
    usage.steps[step] = shares.bytes(blobs);
  }
  std::map<std::string, std::set<Digest>> blobs_of_model;
  Statement releases = store.database().prepare("SELECT model, tree FROM releases");
  while (releases.step()) {
    shares.add(blobs_of_model[releases.text(0)], {"model", true, releases.digest(1), 0});
  }
  for (const auto& [model, blobs] : blobs_of_model) {
    usage.models[model] = shares.bytes(blobs);
  }
  usage.collectable = find_garbage(store, roots, std::chrono::system_clock::now() - keep_checkpoints).bytes;
  return usage;
}

}  // namespace mlpipe
