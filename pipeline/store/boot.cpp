#include "pipeline/store/boot.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

fs::path boot_file(const fs::path& store) {
  return store / "boot";
}

std::string this_boot() {
  return read_file("/proc/sys/kernel/random/boot_id");
}

// The names in blobs/ and trees/ that a row of the index leads to.
struct Reached {
  std::set<std::string> blobs;
  std::set<std::string> trees;
};

void reach_tree(const Store& store, const Digest& tree, Reached& reached) {
  if (!reached.trees.insert(tree.hex()).second) {
    return;
  }
  reached.blobs.insert(tree.hex());
  try {
    for (const TreeEntry& entry : store.blobs().entries_of(tree)) {
      reached.blobs.insert(entry.digest.hex());
    }
  } catch (const Error&) {  // it was damaged or taken away: nothing more can be known of it
  }
}

Reached reached_by_index(const Store& store) {
  Reached reached;
  Statement results = store.database().prepare("SELECT log, outputs FROM results");
  while (results.step()) {
    reached.blobs.insert(results.digest(0).hex());
    for (const nlohmann::json& output : nlohmann::json::parse(results.text(1))) {
      const Digest digest = Digest::from_hex(output.at("digest").get<std::string>());
      if (output.at("folder").get<bool>()) {
        reach_tree(store, digest, reached);
      } else {
        reached.blobs.insert(digest.hex());
      }
    }
  }
  Statement releases = store.database().prepare("SELECT tree FROM releases");
  while (releases.step()) {
    reach_tree(store, releases.digest(0), reached);
  }
  return reached;
}

template <class Keep>
void sweep(const fs::path& folder, Keep keep) {
  std::vector<fs::path> gone;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!keep(entry.path().filename().string())) {
      gone.push_back(entry.path());
    }
  }
  for (const fs::path& path : gone) {
    remove_tree(path);
  }
}

}  // namespace

void note_boot(const fs::path& store) {
  write_file_atomically(boot_file(store), this_boot());
}

void sweep_after_reboot(const Store& store) {
  const fs::path file = boot_file(store.directory());
  if (read_file_if_exists(file) == this_boot()) {
    return;
  }
  const FileLock alone = FileLock::wait(store.directory() / ".making");
  if (read_file_if_exists(file) == this_boot()) {
    return;  // another process was faster
  }
  const Reached reached = reached_by_index(store);
  sweep(store.directory() / "blobs" / "sha256",
        [&](const std::string& name) { return reached.blobs.contains(name); });
  sweep(store.directory() / "trees", [&](const std::string& name) { return reached.trees.contains(name); });
  sweep(store.directory() / "jobs",
        [&](const std::string& name) { return FileLock::is_held(store.directory() / "locks" / name); });
  remove_tree(store.trash_directory());
  note_boot(store.directory());
}

}  // namespace mlpipe
