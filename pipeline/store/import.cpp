#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/row_texts.hpp"
#include "pipeline/store/transfer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

void change_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) {
    throw_errno(fmt::format("making {} read-only", path.string()));
  }
}

class Import {
 public:
  Import(Store& store, fs::path folder, std::string name, bool models)
      : store_(store), folder_(std::move(folder)), name_(std::move(name)), models_(models) {}

  ImportReport run() {
    read_index();
    check_releases();
    find_staged();
    check_outputs();
    for (const auto& [digest, path] : staged_) {
      if (!needed_.contains(digest)) {
        refuse(fmt::format("it holds the bytes {} that none of its rows names", digest.hex()));
      }
    }
    move_in();
    add_rows();
    return std::move(report_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw UsageError(fmt::format("{}: {}; nothing was imported", name_, why));
  }

  void read_index() {
    constexpr std::uint64_t largest_index = std::uint64_t{1} << 30U;
    constexpr const char* index = "mlpipe-export.jsonl";
    rows_ = parse_lines(read_file(folder_ / index, largest_index), fmt::format("{}, {}", name_, index));
  }

  // A version is a promise of bytes: it cannot stand for others here.
  void check_releases() const {
    for (const ReleaseRow& release : models_ ? rows_.releases : std::vector<ReleaseRow>{}) {
      Statement query = store_.database().prepare(
          "SELECT version, tree FROM releases WHERE model = ? AND (version = ? OR tree = ?)");
      query.bind(release.model).bind(release.version).bind(release.tree);
      while (query.step()) {
        if (query.integer(0) != release.version || query.digest(1) != release.tree) {
          throw UsageError(
              fmt::format("{}: its {} is another model than the {}:{} of this store; nothing was imported",
                          name_, release.label(), release.model, query.integer(0)),
              "--results-only brings in the results and leaves the releases out");
        }
      }
    }
  }

  void find_staged() {
    for (const auto& entry : fs::directory_iterator(folder_ / "blobs" / "sha256")) {
      staged_.emplace(Digest::from_hex(entry.path().filename().string()), entry.path());
    }
  }

  // Where a blob's bytes are before anything moves; nothing when they are nowhere.
  std::optional<fs::path> find_blob(const Digest& digest) const {
    if (const auto staged = staged_.find(digest); staged != staged_.end()) {
      return staged->second;
    }
    fs::path path = store_.blobs().path_of_blob(digest);
    return fs::exists(path) ? std::optional(std::move(path)) : std::nullopt;
  }

  fs::path need_blob(const Digest& digest) {
    const auto path = find_blob(digest);
    if (!path) {
      refuse(fmt::format("the bytes {} are neither in it nor in the store", digest.hex()));
    }
    needed_.insert(digest);
    return *path;
  }

  void need_output(const Output& output) {
    const fs::path path = need_blob(output.digest);
    std::uint64_t bytes = 0;
    if (!output.folder) {
      bytes = fs::file_size(path);
    } else {
      const std::vector<TreeEntry>& entries = need_tree(output.digest, path);
      for (const TreeEntry& entry : entries) {
        bytes += entry.bytes;
      }
    }
    if (bytes != output.bytes) {
      refuse(fmt::format("'{}' has {} bytes and should have {}", output.name, bytes, output.bytes));
    }
  }

  const std::vector<TreeEntry>& need_tree(const Digest& digest, const fs::path& listing) {
    const auto [found, is_new] = trees_.try_emplace(digest);
    if (is_new) {
      try {
        found->second = parse_tree(read_file(listing), digest);
      } catch (const Error& error) {
        refuse(error.what());
      }
      for (const TreeEntry& entry : found->second) {
        if (!entry.folder && fs::file_size(need_blob(entry.digest)) != entry.bytes) {
          refuse(fmt::format("the tree {} says another size of {}", digest.hex(), entry.path));
        }
      }
    }
    return found->second;
  }

  void check_outputs() {
    for (const Result& result : rows_.results) {
      for (const Output& output : result.outputs) {
        need_output(output);
      }
      if (find_blob(result.log)) {
        needed_.insert(result.log);
      }
    }
    for (const ReleaseRow& release : rows_.releases) {
      if (!release.collected) {
        need_output({release.label(), true, release.tree, release.bytes});
      }
    }
  }

  void move_in() {
    for (const auto& [digest, path] : staged_) {
      const fs::path blob = store_.blobs().path_of_blob(digest);
      const auto bytes = fs::file_size(path);
      if (::link(path.c_str(), blob.c_str()) == 0) {
        ++report_.blobs;
        report_.bytes += bytes;
      } else if (errno != EEXIST) {
        throw_errno(fmt::format("storing {}", blob.string()));
      }
    }
    for (const auto& [digest, entries] : trees_) {
      lay_out(digest, entries);
    }
    const FileDescriptor folder = open_file(store_.directory(), O_RDONLY | O_DIRECTORY);
    if (::syncfs(folder.get()) != 0) {
      throw_errno(fmt::format("syncing {}", store_.directory().string()));
    }
  }

  // A tree as blobs.hpp describes it, complete before it has its name.
  void lay_out(const Digest& digest, const std::vector<TreeEntry>& entries) const {
    const fs::path tree = store_.blobs().path_of({"", true, digest, 0});
    if (fs::exists(tree)) {
      return;
    }
    const fs::path folder = folder_ / ("tree-" + digest.hex());
    fs::create_directories(folder);
    for (const TreeEntry& entry : entries) {
      const fs::path to = folder / entry.path;
      fs::create_directories(entry.folder ? to : to.parent_path());
      const fs::path blob = store_.blobs().path_of_blob(entry.digest);
      if (entry.executable) {
        fs::copy_file(blob, to);
        change_mode(to, 0555);
      } else if (!entry.folder && ::link(blob.c_str(), to.c_str()) != 0) {
        throw_errno(fmt::format("storing {}", to.string()));
      }
    }
    for (const auto& found : fs::recursive_directory_iterator(folder)) {
      if (found.is_directory()) {
        change_mode(found.path(), 0555);
      }
    }
    if (::rename(folder.c_str(), tree.c_str()) == 0) {
      change_mode(tree, 0555);
    } else if (errno != EEXIST && errno != ENOTEMPTY) {
      throw_errno(fmt::format("storing {}", tree.string()));
    }
  }

  void add_rows() {
    const Database& database = store_.database();
    Transaction transaction(database);
    for (const auto& [key, recipe] : rows_.recipes) {
      database.prepare("INSERT OR IGNORE INTO actions(action_key, recipe) VALUES(?, ?)")
          .bind(key)
          .bind(recipe)
          .run();
    }
    add_results();
    add_realizations();
    if (models_) {
      check_releases();  // again: now nobody else can publish
      add_releases();
      add_aliases();
    }
    transaction.commit();
  }

  void add_results() {
    std::set<Digest> known;
    for (const Result& result : store_.all_results()) {
      known.insert(result_id(result));
    }
    for (const Result& result : rows_.results) {
      if (known.contains(result_id(result))) {
        ++report_.known_results;
        continue;
      }
      store_.database()
          .prepare(
              "INSERT INTO results(action_key, succeeded, failure, log, outputs, metrics, started, finished) "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(result.action_key)
          .bind(result.succeeded ? 1 : 0)
          .bind(result.failure)
          .bind(result.log)
          .bind(outputs_text(result.outputs))
          .bind(metrics_text(result.metrics))
          .bind(to_milliseconds(result.started))
          .bind(to_milliseconds(result.finished))
          .run();
      ++report_.results;
    }
  }

  // What a step stands for here stays; only steps that this store does not know get theirs.
  void add_realizations() {
    const Database& database = store_.database();
    std::set<std::pair<std::string, std::string>> known;
    Statement steps = database.prepare("SELECT DISTINCT pipeline, step FROM realizations");
    while (steps.step()) {
      known.emplace(steps.text(0), steps.text(1));
    }
    for (const RealizationRow& row : rows_.realizations) {
      if (!known.contains({row.pipeline, row.step})) {
        database
            .prepare(
                "INSERT INTO realizations(pipeline, step, derivation, action_key, params, at) VALUES(?, ?, "
                "?, ?, "
                "?, ?)")
            .bind(row.pipeline)
            .bind(row.step)
            .bind(row.derivation)
            .bind(row.action_key)
            .bind(params_text(row.params))
            .bind(to_milliseconds(row.at))
            .run();
      }
    }
  }

  void add_releases() {
    const Database& database = store_.database();
    for (const ReleaseRow& row : rows_.releases) {
      Statement known = database.prepare("SELECT 1 FROM releases WHERE model = ? AND version = ?");
      known.bind(row.model).bind(row.version);
      if (known.step()) {
        continue;
      }
      database
          .prepare(
              "INSERT INTO releases(model, version, tree, bytes, metrics, provenance, published) VALUES(?, "
              "?, ?, "
              "?, ?, ?, ?)")
          .bind(row.model)
          .bind(row.version)
          .bind(row.tree)
          .bind(static_cast<std::int64_t>(row.bytes))
          .bind(metrics_text(row.metrics))
          .bind(row.provenance)
          .bind(to_milliseconds(row.published))
          .run();
      if (row.collected) {
        database.prepare("INSERT OR IGNORE INTO collected_releases(model, version, at) VALUES(?, ?, ?)")
            .bind(row.model)
            .bind(row.version)
            .bind(to_milliseconds(*row.collected))
            .run();
      }
      ++report_.releases;
    }
  }

  // An alias that this store has moved by itself goes on standing for what it stands for here.
  void add_aliases() {
    const Database& database = store_.database();
    std::map<std::pair<std::string, std::string>, std::vector<AliasRow>> histories;
    for (const AliasRow& row : rows_.aliases) {
      histories[{row.model, row.alias}].push_back(row);
    }
    for (const auto& [name, history] : histories) {
      Statement query = database.prepare(
          "SELECT version, reason, at FROM alias_events WHERE model = ? AND alias = ? ORDER BY id");
      query.bind(name.first).bind(name.second);
      std::vector<AliasRow> known;
      while (query.step()) {
        known.push_back({name.first, name.second, static_cast<int>(query.integer(0)), query.text(1),
                         from_milliseconds(query.integer(2))});
      }
      if (known == history) {
        continue;
      }
      if (!known.empty()) {
        report_.kept_aliases.push_back(name.first + "@" + name.second);
        continue;
      }
      for (const AliasRow& row : history) {
        database.prepare("INSERT INTO alias_events(model, alias, version, reason, at) VALUES(?, ?, ?, ?, ?)")
            .bind(row.model)
            .bind(row.alias)
            .bind(row.version)
            .bind(row.reason)
            .bind(to_milliseconds(row.at))
            .run();
      }
      ++report_.aliases;
    }
  }

  Store& store_;
  fs::path folder_;
  std::string name_;
  bool models_;
  IndexRows rows_;
  ImportReport report_;
  std::map<Digest, fs::path> staged_;
  std::map<Digest, std::vector<TreeEntry>> trees_;  // that the rows name
  std::set<Digest> needed_;
};

}  // namespace

ImportReport import_unpacked(Store& store, const fs::path& folder, const std::string& name, bool models) {
  return Import(store, folder, name, models).run();
}

ImportReport import_from(Store& store, const Archiver& archiver, const fs::path& file, bool models) {
  const fs::path incoming = store.directory() / "incoming";
  fs::create_directories(incoming);
  const TemporaryDirectory staging(incoming);
  archiver.unpack(fs::absolute(file), staging.path());
  return import_unpacked(store, staging.path(), file.string(), models);
}

}  // namespace mlpipe
