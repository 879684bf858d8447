#include "pipeline/store/boot.hpp"

#include "pipeline/base/file.hpp"
#include "pipeline/store/reachable.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

fs::path boot_file(const fs::path& store) {
  return store / "boot";
}

std::string this_boot() {
  return read_file("/proc/sys/kernel/random/boot_id");
}

// Removes what has a digest for a name, or is the unfinished file of one, and is not to be kept. Others are
// not ours.
template <class Keep>
void sweep(const fs::path& folder, Keep keep) {
  constexpr std::size_t digits = 2 * Digest::size;
  std::vector<fs::path> gone;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool unfinished = name.size() > digits && name[digits] == '.';
    if (Digest::is_hex(name.substr(0, digits)) && (unfinished || (name.size() == digits && !keep(name)))) {
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
  const Reachable reached = everything_reachable(store);
  sweep(store.directory() / "blobs" / "sha256",
        [&](const std::string& name) { return reached.blobs.contains(Digest::from_hex(name)); });
  sweep(store.directory() / "trees",
        [&](const std::string& name) { return reached.trees.contains(Digest::from_hex(name)); });
  sweep(store.directory() / "jobs",
        [&](const std::string& name) { return FileLock::is_held(store.directory() / "locks" / name); });
  remove_tree(store.trash_directory());
  note_boot(store.directory());
}

}  // namespace mlpipe
