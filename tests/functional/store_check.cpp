#include "tests/functional/store_check.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

void check_file(const fs::path& path, const Digest& digest, std::vector<std::string>& faults) {
  if (!fs::is_regular_file(path)) {
    faults.push_back(path.string() + " is not there");
  } else if (digest_of_file(path) != digest) {
    faults.push_back(path.string() + " does not hold what its name says");
  }
}

void check_tree(const Store& store, const Output& tree, std::vector<std::string>& faults) {
  check_file(store.blobs().path_of_blob(tree.digest), tree.digest, faults);
  for (const TreeEntry& entry : store.blobs().entries_of(tree.digest)) {
    if (!entry.folder) {
      check_file(store.blobs().path_of_blob(entry.digest), entry.digest, faults);
      check_file(store.blobs().path_of(tree) / entry.path, entry.digest, faults);
    }
  }
}

void check_result(const Store& store, const Digest& key, std::vector<std::string>& faults) {
  const auto result = store.last_result(key);
  check_file(store.blobs().path_of_blob(result->log), result->log, faults);
  for (const Output& output : result->outputs) {
    if (output.folder) {
      check_tree(store, output, faults);
    } else {
      check_file(store.blobs().path_of(output), output.digest, faults);
    }
  }
}

}  // namespace

std::vector<std::string> store_faults(const Project& project) {
  std::vector<std::string> faults;
  const auto store = Store::open_to_read(project.store());
  if (!store) {
    return faults;
  }
  try {
    Statement integrity = store->database().prepare("PRAGMA integrity_check");
    if (!integrity.step() || integrity.text(0) != "ok") {
      faults.push_back("the index is damaged: " + integrity.text(0));
    }
    Statement keys = store->database().prepare("SELECT DISTINCT action_key FROM results");
    while (keys.step()) {
      check_result(*store, keys.digest(0), faults);
    }
    Statement releases = store->database().prepare("SELECT tree, bytes FROM releases");
    while (releases.step()) {
      check_tree(*store, {"model", true, releases.digest(0), static_cast<std::uint64_t>(releases.integer(1))},
                 faults);
    }
  } catch (const Error& error) {
    faults.push_back(error.what());
  }
  return faults;
}

std::size_t results_of(const Project& project, const std::string& step) {
  const auto store = Store::open_to_read(project.store());
  Statement count = store->database().prepare(
      "SELECT count(*) FROM results WHERE action_key IN (SELECT action_key FROM realizations WHERE step = "
      "?)");
  count.bind(step).step();
  return static_cast<std::size_t>(count.integer(0));
}

std::vector<std::string> store_listing(const Project& project) {
  std::vector<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(project.store())) {
    struct stat status {};
    ::lstat(entry.path().c_str(), &status);
    lines.push_back(fmt::format("{} {} {} {}.{:09}", entry.path().string(), status.st_ino, status.st_size,
                                status.st_mtim.tv_sec, status.st_mtim.tv_nsec));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace mlpipe
