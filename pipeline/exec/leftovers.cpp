#include "pipeline/exec/leftovers.hpp"

#include "pipeline/agent/job.hpp"
#include "pipeline/base/trash.hpp"
#include "pipeline/exec/collect.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<Digest> keys_in(const fs::path& folder) {
  std::vector<Digest> keys;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (const std::string name = entry.path().filename().string(); Digest::is_hex(name)) {
      keys.push_back(Digest::from_hex(name));
    }
  }
  return keys;
}

// Nobody runs the key: its folder holds a result to collect, or a job that was lost with its agent.
bool is_needed(const Store& store, const Digest& key) {
  const std::optional<Ending> ending = read_ending(store.job_directory(key));
  return ending && !is_recorded(store.results(key), *ending);
}

}  // namespace

void remove_leftovers(const Store& store) {
  Trash trash(store.trash_directory());
  for (const char* folder : {"jobs", "locks"}) {
    for (const Digest& key : keys_in(store.directory() / folder)) {
      auto lock = FileLock::try_lock(store.lock_path(key));
      if (lock && !is_needed(store, key)) {
        trash.take(store.job_directory(key));
        lock->remove();
      }
    }
  }
  remove_abandoned_trash(store.trash_directory());
}

}  // namespace mlpipe
