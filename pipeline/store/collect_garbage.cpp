#include "pipeline/store/collect_garbage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/store/disk_sizes.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// A file that was being written beside its final name, as write_file_atomically and mkstemp name it.
bool is_unfinished(const std::string& name, std::size_t final_name) {
  constexpr std::size_t random_letters = 6;
  return name.size() == final_name + 1 + random_letters && name[final_name] == '.';
}

bool is_unfinished_digest(const std::string& name) {
  constexpr std::size_t digits = 2 * Digest::size;
  return is_unfinished(name, digits) && Digest::is_hex(name.substr(0, digits));
}

void find_bytes(const Store& store, const Reachable& kept, Garbage& garbage) {
  for (const fs::path& path : entries(store.directory() / "blobs" / "sha256")) {
    const std::string name = path.filename().string();
    if (is_unfinished_digest(name)) {
      garbage.leftovers.push_back(path);
    } else if (Digest::is_hex(name) && !kept.blobs.contains(Digest::from_hex(name))) {
      garbage.blobs.push_back(path);
    }
  }
  for (const fs::path& path : entries(store.directory() / "trees")) {
    const std::string name = path.filename().string();
    if (Digest::is_hex(name) && !kept.trees.contains(Digest::from_hex(name))) {
      garbage.trees.push_back(path);
    }
  }
}

fs::file_time_type newest_change(const fs::path& folder) {
  std::error_code error;
  fs::file_time_type newest = fs::last_write_time(folder, error);
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    newest = std::max(newest, entry->last_write_time(error));
  }
  return newest;
}

void find_leftovers(const Store& store, const Reachable& kept,
                    std::chrono::system_clock::time_point checkpoints_until, Garbage& garbage) {
  const auto is_kept = [&](const fs::path& path) {
    const std::string name = path.filename().string();
    return !Digest::is_hex(name) || kept.keys.contains(Digest::from_hex(name));
  };
  for (const fs::path& job : entries(store.directory() / "jobs")) {
    if (!is_kept(job)) {
      garbage.leftovers.push_back(job);
    }
  }
  const auto until = std::chrono::file_clock::from_sys(checkpoints_until);
  for (const fs::path& checkpoints : entries(store.directory() / "checkpoints")) {
    if (!is_kept(checkpoints) && newest_change(checkpoints) <= until) {
      garbage.leftovers.push_back(checkpoints);
    }
  }
  for (const fs::path& lock : entries(store.directory() / "locks")) {
    if (!is_kept(lock) && !FileLock::is_held(lock)) {
      garbage.leftovers.push_back(lock);
    }
  }
  for (const fs::path& incoming : entries(store.directory() / "incoming")) {
    garbage.leftovers.push_back(incoming);
  }
  for (const fs::path& path : entries(store.directory())) {
    for (const std::string_view ours : {"format", ".gitignore", "boot"}) {
      const std::string name = path.filename().string();
      if (name.starts_with(ours) && is_unfinished(name, ours.size())) {
        garbage.leftovers.push_back(path);
      }
    }
  }
}

void find_releases(const Store& store, Garbage& garbage) {
  std::set<std::string> going;
  for (const fs::path& tree : garbage.trees) {
    going.insert(tree.filename().string());
  }
  Statement releases =
      store.database().prepare("SELECT model, version, tree FROM releases ORDER BY model, version");
  while (releases.step()) {
    if (going.contains(releases.digest(2).hex())) {
      garbage.releases.push_back(fmt::format("{}:{}", releases.text(0), releases.integer(1)));
    }
  }
}

void take_rows(const Store& store, const Garbage& garbage) {
  const Database& database = store.database();
  Transaction transaction(database);
  for (const std::int64_t row : garbage.results) {
    database.prepare("DELETE FROM results WHERE id = ?").bind(row).run();
  }
  const std::int64_t now = to_milliseconds(std::chrono::system_clock::now());
  for (const std::string& label : garbage.releases) {
    const std::size_t colon = label.rfind(':');
    database.prepare("INSERT OR REPLACE INTO collected_releases(model, version, at) VALUES(?, ?, ?)")
        .bind(std::string_view(label).substr(0, colon))
        .bind(static_cast<std::int64_t>(std::stoll(label.substr(colon + 1))))
        .bind(now)
        .run();
  }
  // What a run's history, a step or a result still names is kept.
  database.execute(
      "DELETE FROM actions WHERE action_key NOT IN (SELECT action_key FROM results UNION SELECT action_key "
      "FROM realizations UNION SELECT action_key FROM run_steps)");
  Statement remembered = database.prepare("SELECT path FROM file_hashes");
  std::vector<std::string> forgotten;
  while (remembered.step()) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(remembered.text(0), error))) {
      forgotten.push_back(remembered.text(0));
    }
  }
  for (const std::string& path : forgotten) {
    database.prepare("DELETE FROM file_hashes WHERE path = ?").bind(path).run();
  }
  transaction.commit();
}

// Gives back the index's own room when a good part of it is free.
void shrink(const Database& database) {
  const auto number = [&](const char* pragma) {
    Statement query = database.prepare(pragma);
    query.step();
    return query.integer(0);
  };
  constexpr std::int64_t worth_it = 1'000;  // pages
  const std::int64_t free = number("PRAGMA freelist_count");
  if (free > worth_it && 4 * free > number("PRAGMA page_count")) {
    database.execute("VACUUM");
  }
  database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace

Garbage find_garbage(const Store& store, std::span<const Root> roots,
                     std::chrono::system_clock::time_point checkpoints_until) {
  const Reachable kept = reachable(store, roots);
  Garbage garbage;
  for (const Result& result : store.all_results()) {
    if (!kept.results.contains(result.id)) {
      garbage.results.push_back(result.id);
    }
  }
  find_bytes(store, kept, garbage);
  find_leftovers(store, kept, checkpoints_until, garbage);
  find_releases(store, garbage);
  DiskSizes sizes;
  for (const auto* group : {&garbage.blobs, &garbage.trees, &garbage.leftovers}) {
    for (const fs::path& path : *group) {
      garbage.bytes += sizes.add(path);
    }
  }
  return garbage;
}

void take_away(Store& store, const Garbage& garbage, const StoreLock& /*alone*/, Trash& trash) {
  remove_tree(store.directory() / "outlines");  // first: they remember results that will be gone
  take_rows(store, garbage);
  // Trees before the blobs that they link to: what is left of a tree is never believed to be whole.
  for (const auto* group : {&garbage.trees, &garbage.blobs, &garbage.leftovers}) {
    for (const fs::path& path : *group) {
      if (fs::is_directory(fs::symlink_status(path))) {
        // Moving a folder rewrites its "..", for which it must be writable.
        fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
      }
      trash.take(path);
    }
  }
  shrink(store.database());
}

}  // namespace mlpipe
