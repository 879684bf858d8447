#include "pipeline/store/verify.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/verify_bytes.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

struct KnownRelease {
  std::string label;  // "digits:2 (prod)"
  Digest tree;
  bool collected = false;
};

// Moves something to quarantine/, under another name when that is taken. Returns what was done.
std::string set_aside(const fs::path& store, const fs::path& path, const char* kind) {
  const fs::path folder = store / "quarantine" / kind;
  fs::create_directories(folder);
  fs::path to = folder / path.filename();
  for (int number = 2; fs::exists(fs::symlink_status(to)); ++number) {
    to = folder / fmt::format("{}.{}", path.filename().string(), number);
  }
  if (fs::is_directory(fs::symlink_status(path))) {
    // Moving a folder rewrites its "..", for which it must be writable.
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
  }
  fs::rename(path, to);
  sync_directory(path.parent_path());
  sync_directory(folder);
  return fmt::format("moved to {}", to.lexically_relative(store).string());
}

class Verifier {
 public:
  Verifier(Store& store, const VerifyOptions& options) : store_(store), options_(options) {}

  Verification run() {
    bytes_ = check_bytes(store_.directory(), options_.quick);
    result_.blobs = bytes_.blobs;
    result_.trees = bytes_.trees;
    result_.bytes = bytes_.read;
    check_database();
    read_index();
    for (const BadBytes& bad : bytes_.bad_blobs) {
      add_bad_blob(bad);
    }
    for (const BadBytes& bad : bytes_.bad_trees) {
      add_bad_tree(bad);
    }
    check_rows();
    check_releases();
    drop_results();
    find_unknown();
    return std::move(result_);
  }

 private:
  void check_database() {
    Statement check =
        store_.database().prepare(options_.quick ? "PRAGMA quick_check" : "PRAGMA integrity_check");
    while (check.step()) {
      if (check.text(0) != "ok") {
        add({"index.sqlite", check.text(0), "", {}, {}});
      }
    }
    Statement recipes = store_.database().prepare("SELECT action_key, recipe FROM actions");
    while (recipes.step()) {
      if (digest_of(recipes.text(1)) != recipes.digest(0)) {
        add({"index.sqlite",
             fmt::format("the recipe of the key {} is not the one that it is named after",
                         recipes.digest(0).hex()),
             "",
             {},
             {}});
      }
    }
  }

  void read_index() {
    results_ = store_.all_results();
    result_.results = results_.size();
    Statement steps = store_.database().prepare("SELECT action_key, step FROM realizations ORDER BY id");
    while (steps.step()) {
      steps_[steps.digest(0)] = steps.text(1);
    }
    Statement releases = store_.database().prepare(
        "SELECT model, version, tree, EXISTS(SELECT 1 FROM collected_releases AS c WHERE c.model = r.model "
        "AND "
        "c.version = r.version) FROM releases AS r ORDER BY model, version");
    while (releases.step()) {
      const std::string label = fmt::format("{}:{}", releases.text(0), releases.integer(1));
      releases_[label] = {label, releases.digest(2), releases.integer(3) != 0};
    }
    result_.releases = releases_.size();
    Statement aliases = store_.database().prepare(
        "SELECT model, alias, version FROM alias_events WHERE id IN (SELECT max(id) FROM alias_events GROUP "
        "BY "
        "model, alias)");
    while (aliases.step()) {
      const auto release = releases_.find(fmt::format("{}:{}", aliases.text(0), aliases.integer(2)));
      if (release == releases_.end()) {
        add({"",
             fmt::format("the alias {}@{} stands for version {}, which is not there", aliases.text(0),
                         aliases.text(1), aliases.integer(2)),
             "",
             {},
             {}});
      } else {
        release->second.label += fmt::format(" (the alias {})", aliases.text(1));
      }
    }
  }

  void add(StoreFault fault) { result_.faults.push_back(std::move(fault)); }

  std::string relative(const fs::path& path) const {
    return path.lexically_relative(store_.directory()).string();
  }

  std::string name_of(const Result& result) const {
    const auto step = steps_.find(result.action_key);
    return fmt::format("{} ({})", result_id(result).short_hex(),
                       step == steps_.end() ? "of an unknown step" : step->second);
  }

  // Names what holds one of these digests, as file or tree, and remembers which results lose bytes.
  void name_dependents(const std::set<Digest>& digests, StoreFault& fault, bool lost) {
    for (const Result& result : results_) {
      if (std::any_of(result.outputs.begin(), result.outputs.end(),
                      [&](const Output& output) { return digests.contains(output.digest); })) {
        fault.results.push_back(name_of(result));
        if (lost) {
          lost_results_.insert(result.id);
        }
      } else if (digests.contains(result.log)) {
        fault.results.push_back(name_of(result) + ", its log");
      }
    }
    for (const auto& [label, release] : releases_) {
      if (digests.contains(release.tree)) {
        fault.releases.push_back(release.label);
        named_releases_.insert(label);
      }
    }
  }

  // What was done about it; empty when nothing is to be done or can be.
  template <typename Act>
  std::string act(Act action) const {
    if (!options_.set_aside) {
      return "";
    }
    try {
      return action();
    } catch (const std::exception& error) {
      return fmt::format("nothing: {}", error.what());
    }
  }

  void add_bad_blob(const BadBytes& bad) {
    StoreFault fault{relative(bad.path), bad.problem, "", {}, {}};
    if (bad.mode_only) {
      fault.done = act([&] {
        fs::permissions(bad.path, fs::perms(0444));
        return std::string("made read-only again");
      });
    } else {
      std::set<Digest> digests = {bad.digest};
      if (const auto trees = bytes_.trees_of.find(bad.digest); trees != bytes_.trees_of.end()) {
        digests.insert(trees->second.begin(), trees->second.end());
      }
      name_dependents(digests, fault, true);
      fault.done = act([&] { return set_aside(store_.directory(), bad.path, "blobs"); });
    }
    add(std::move(fault));
  }

  void add_bad_tree(const BadBytes& bad) {
    StoreFault fault{relative(bad.path), bad.problem, "", {}, {}};
    if (bad.mode_only) {
      fault.done = act([&] {
        for (const TreeEntry& entry : store_.blobs().entries_of(bad.digest)) {
          if (!entry.folder) {
            fs::permissions(bad.path / entry.path, fs::perms(entry.executable ? 0555 : 0444));
          }
        }
        return std::string("made read-only again");
      });
    } else {
      name_dependents({bad.digest}, fault, true);
      fault.done = act([&] { return set_aside(store_.directory(), bad.path, "trees"); });
    }
    add(std::move(fault));
  }

  void check_rows() {
    std::set<Digest> missing;
    for (const Result& result : results_) {
      for (const Output& output : result.outputs) {
        if (!lost_results_.contains(result.id) && !store_.blobs().contains(output)) {
          missing.insert(output.digest);
        }
      }
      if (!fs::exists(store_.blobs().path_of_blob(result.log))) {
        ++result_.without_log;
      }
    }
    for (const Digest& digest : missing) {
      StoreFault fault{fmt::format("blobs/sha256/{}", digest.hex()), "it is missing", "", {}, {}};
      if (fs::exists(store_.blobs().path_of_blob(digest))) {
        fault.path = fmt::format("trees/{}", digest.hex());
      }
      name_dependents({digest}, fault, true);
      add(std::move(fault));
    }
  }

  void check_releases() {
    for (const auto& [label, release] : releases_) {
      const Output tree{"model", true, release.tree, 0};
      if (!release.collected && !named_releases_.contains(label) && !store_.blobs().contains(tree)) {
        add({relative(store_.blobs().path_of(tree)), "it is missing", "", {}, {release.label}});
      }
    }
  }

  // A result that has lost bytes stands for nothing any more. What the index knew of it stays readable.
  void drop_results() {
    if (lost_results_.empty() || !options_.set_aside) {
      return;
    }
    const std::string done = act([&] {
      std::string lines;
      for (const Result& result : results_) {
        lines += lost_results_.contains(result.id) ? to_line(result) : "";
      }
      const fs::path path = store_.directory() / "quarantine" / "results.jsonl";
      fs::create_directories(path.parent_path());
      {
        const FileDescriptor file = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
        write_all(file.get(), lines, path.string());
        if (::fsync(file.get()) != 0) {
          throw_errno(fmt::format("writing {}", path.string()));
        }
      }
      sync_directory(path.parent_path());
      remove_tree(store_.directory() / "outlines");  // first: they remember results that will be gone
      Transaction transaction(store_.database());
      for (const std::int64_t row : lost_results_) {
        store_.database().prepare("DELETE FROM results WHERE id = ?").bind(row).run();
      }
      transaction.commit();
      return std::string("results taken out of the index, into quarantine/results.jsonl");
    });
    for (StoreFault& fault : result_.faults) {
      if (!fault.results.empty()) {
        fault.done += (fault.done.empty() ? "" : "; ") + done;
      }
    }
  }

  void find_unknown() {
    for (const fs::path& path : bytes_.unknown) {
      result_.unknown.push_back(relative(path));
    }
    for (const auto& entry : fs::directory_iterator(store_.directory())) {
      if (!is_name_of_store(entry.path().filename().string())) {
        result_.unknown.push_back(relative(entry.path()));
      }
    }
    for (const char* folder : {"jobs", "locks", "checkpoints"}) {
      for (const auto& entry : fs::directory_iterator(store_.directory() / folder)) {
        if (!Digest::is_hex(entry.path().filename().string())) {
          result_.unknown.push_back(relative(entry.path()));
        }
      }
    }
    std::sort(result_.unknown.begin(), result_.unknown.end());
  }

  Store& store_;
  VerifyOptions options_;
  Verification result_;
  CheckedBytes bytes_;
  std::vector<Result> results_;
  std::map<Digest, std::string> steps_;           // by action key
  std::map<std::string, KnownRelease> releases_;  // by "digits:2"
  std::set<std::int64_t> lost_results_;
  std::set<std::string> named_releases_;
};

}  // namespace

Verification verify(Store& store, const VerifyOptions& options) {
  return Verifier(store, options).run();
}

}  // namespace mlpipe
