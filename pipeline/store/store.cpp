#include "pipeline/store/store.hpp"

#include <fmt/format.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/store/boot.hpp"
#include "pipeline/store/row_texts.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view format_line = "mlpipe-store 1\n";

constexpr const char* tables = R"sql(
CREATE TABLE IF NOT EXISTS file_hashes(path TEXT PRIMARY KEY, stamp TEXT NOT NULL, hashed_at INTEGER NOT NULL,
  digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS actions(action_key BLOB PRIMARY KEY, recipe TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results(id INTEGER PRIMARY KEY AUTOINCREMENT, action_key BLOB NOT NULL,
  succeeded INTEGER NOT NULL, failure TEXT NOT NULL, log BLOB NOT NULL, outputs TEXT NOT NULL, metrics TEXT NOT NULL,
  started INTEGER NOT NULL, finished INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS results_by_key ON results(action_key, id);
CREATE TABLE IF NOT EXISTS realizations(id INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT NOT NULL,
  step TEXT NOT NULL, derivation BLOB NOT NULL, action_key BLOB NOT NULL, params TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS realizations_by_step ON realizations(pipeline, step, id);
CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT NOT NULL, params TEXT NOT NULL,
  status TEXT NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS run_steps(run INTEGER NOT NULL, step TEXT NOT NULL, action_key BLOB NOT NULL,
  outcome TEXT NOT NULL, result INTEGER NOT NULL, PRIMARY KEY(run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run_details(run INTEGER PRIMARY KEY, git TEXT NOT NULL, release TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS run_step_details(run INTEGER NOT NULL, step TEXT NOT NULL, ran INTEGER NOT NULL,
  chosen TEXT NOT NULL, reasons TEXT NOT NULL, PRIMARY KEY(run, step)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_step_details_by_result ON run_step_details(ran, run);
CREATE TABLE IF NOT EXISTS releases(model TEXT NOT NULL, version INTEGER NOT NULL, tree BLOB NOT NULL,
  bytes INTEGER NOT NULL, metrics TEXT NOT NULL, provenance TEXT NOT NULL, published INTEGER NOT NULL,
  PRIMARY KEY(model, version)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS releases_by_tree ON releases(model, tree);
CREATE TABLE IF NOT EXISTS alias_events(id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL,
  alias TEXT NOT NULL, version INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS alias_events_by_name ON alias_events(model, alias, id);
CREATE TABLE IF NOT EXISTS deployments(alias TEXT PRIMARY KEY, model TEXT NOT NULL, target TEXT NOT NULL,
  version INTEGER NOT NULL, phase TEXT NOT NULL, generation INTEGER NOT NULL,
  changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pins(kind TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collected_releases(model TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(model, version)) WITHOUT ROWID;
)sql";

// Which tables the index has: raised with every change of `tables`, which adds what an older index lacks.
constexpr std::int64_t newest_schema = 1;

std::int64_t schema_of(const Database& database) {
  Statement query = database.prepare("PRAGMA user_version");
  query.step();
  return query.integer(0);
}

void refuse_newer_schema(const fs::path& directory, const Database& database) {
  if (const std::int64_t schema = schema_of(database); schema > newest_schema) {
    throw UsageError(
        fmt::format("the index of {} was written by a newer version of mlpipe (its tables are of "
                    "version {}, this one knows {})",
                    directory.string(), schema, newest_schema),
        "use that version, or another store");
  }
}

// All or nothing; of several processes that do it at once, each finds it done or does it.
void bring_up_to_date(const Database& database) {
  if (schema_of(database) == newest_schema) {
    return;
  }
  Transaction transaction(database);
  database.execute(tables);
  database.execute(fmt::format("PRAGMA user_version = {}", newest_schema));
  transaction.commit();
}

// SQLite's WAL needs shared memory, which these do not give.
void refuse_network_file_system(const fs::path& directory) {
  struct statfs status {};
  if (::statfs(directory.c_str(), &status) != 0) {
    throw_errno(fmt::format("looking at {}", directory.string()));
  }
  constexpr std::array<unsigned int, 6> network = {0x6969, 0xff534d42, 0xfe534d42,
                                                   0x517b, 0x5346414f, 0x01021997};
  for (const unsigned int magic : network) {
    if (static_cast<unsigned int>(status.f_type) == magic) {
      throw UsageError(fmt::format("{} is on a network file system, where the store's index would break",
                                   directory.string()),
                       "set MLPIPE_STORE to a folder on a local disk");
    }
  }
}

bool is_empty_or_missing(const fs::path& directory) {
  std::error_code error;
  return !fs::exists(directory, error) || fs::is_empty(directory, error);
}

// A folder that mlpipe has begun to make a store of, and nothing else: what an mlpipe that works right now,
// or one that was killed, leaves before the format is written.
bool is_being_made(const fs::path& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error) || fs::exists(directory / "format", error)) {
    return false;
  }
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!is_name_of_store(name)) {
      return false;
    }
  }
  return true;
}

void check_format(const fs::path& directory) {
  constexpr std::uint64_t longest_format_line = 100;
  const auto format = read_file_if_exists(directory / "format", longest_format_line);
  if (!format) {
    throw UsageError(fmt::format("{} is not a store of mlpipe", directory.string()),
                     "name another folder with MLPIPE_STORE");
  }
  if (*format != format_line) {
    throw UsageError(
        fmt::format("{} was written by another version of mlpipe (its format is '{}', this one reads "
                    "'{}')",
                    directory.string(), printable(trim(*format)), trim(format_line)),
        "use that version, or another store");
  }
}

bool is_writable(const fs::path& directory) {
  return ::access(directory.c_str(), W_OK) == 0 && ::access((directory / "index.sqlite").c_str(), W_OK) == 0;
}

void check_writable(const fs::path& directory) {
  if (!is_writable(directory)) {
    throw_errno(fmt::format("writing to the store {}", directory.string()));
  }
}

Result result_from_row(const Statement& row) {
  Result result;
  result.id = row.integer(0);
  result.action_key = row.digest(1);
  result.succeeded = row.integer(2) != 0;
  result.failure = row.text(3);
  result.log = row.digest(4);
  result.outputs = parse_outputs(row.text(5));
  result.metrics = parse_metrics(row.text(6));
  result.started = from_milliseconds(row.integer(7));
  result.finished = from_milliseconds(row.integer(8));
  return result;
}

constexpr const char* result_columns =
    "id, action_key, succeeded, failure, log, outputs, metrics, started, finished";

}  // namespace

bool is_name_of_store(const std::string& name) {
  constexpr std::array<std::string_view, 13> whole = {
      "blobs",    "trees",       "jobs", "locks",   "checkpoints", "in-use",  "trash",
      "incoming", "deployments", "boot", ".making", "quarantine",  "outlines"};
  constexpr std::array<std::string_view, 4> beginnings = {"format", "index.sqlite", ".gitignore", "boot."};
  return std::find(whole.begin(), whole.end(), name) != whole.end() ||
         std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

std::int64_t to_milliseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::chrono::system_clock::time_point from_milliseconds(std::int64_t milliseconds) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds));
}

fs::path Store::default_directory(const fs::path& project) {
  const char* chosen = std::getenv("MLPIPE_STORE");
  return fs::absolute(chosen != nullptr && *chosen != '\0' ? fs::path(chosen) : project / ".mlpipe")
      .lexically_normal();
}

Store Store::open(const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory, error) && !fs::is_directory(directory, error)) {
    throw UsageError(fmt::format("the store {} is a file, not a folder", directory.string()));
  }
  if (is_empty_or_missing(directory)) {
    fs::create_directories(directory, error);
    if (error) {
      throw Error(fmt::format("making the store {}: {}", directory.string(), error.message()),
                  "set MLPIPE_STORE to a folder that can be written");
    }
  }
  refuse_network_file_system(directory);
  if (!fs::exists(directory / "format")) {
    // A folder that only another mlpipe has begun to fill is one that it is making right now.
    const FileLock lock = FileLock::wait(directory / ".making");
    if (!fs::exists(directory / "format")) {
      if (!is_being_made(directory)) {
        fs::remove(directory / ".making");
        throw UsageError(fmt::format("{} is not a store of mlpipe, and not empty", directory.string()),
                         "name another folder with MLPIPE_STORE");
      }
      Blobs(directory).create();
      for (const char* folder : {"jobs", "locks", "checkpoints", "deployments"}) {
        fs::create_directories(directory / folder);
      }
      write_file_atomically(directory / ".gitignore", "*\n");
      bring_up_to_date(Database(directory / "index.sqlite", Database::Mode::read_write));
      note_boot(directory);
      write_file_atomically(directory / "format", format_line);
    }
  }
  check_format(directory);
  check_writable(directory);
  Store store(directory, Database::Mode::read_write);
  bring_up_to_date(store.database());
  sweep_after_reboot(store);
  return store;
}

std::optional<Store> Store::open_existing(const fs::path& directory) {
  std::error_code error;
  if (is_empty_or_missing(directory) || is_being_made(directory)) {
    return std::nullopt;
  }
  if (!is_writable(directory)) {
    return open_to_read(directory);
  }
  check_format(directory);
  Store store(directory, Database::Mode::read_write);
  bring_up_to_date(store.database());
  sweep_after_reboot(store);
  return store;
}

std::optional<Store> Store::open_to_read(const fs::path& directory) {
  if (is_empty_or_missing(directory) || is_being_made(directory)) {
    return std::nullopt;
  }
  check_format(directory);
  return Store(directory, Database::Mode::read_only);
}

void Store::require_writable() const {
  check_writable(directory_);
}

Store::Store(fs::path directory, Database::Mode mode)
    : directory_(std::move(directory)),
      blobs_(directory_),
      database_(std::make_unique<Database>(directory_ / "index.sqlite", mode)) {
  refuse_newer_schema(directory_, *database_);
}

fs::path Store::job_directory(const Digest& action_key) const {
  return directory_ / "jobs" / action_key.hex();
}
fs::path Store::lock_path(const Digest& action_key) const {
  return directory_ / "locks" / action_key.hex();
}
fs::path Store::checkpoint_directory(const Digest& action_key) const {
  return directory_ / "checkpoints" / action_key.hex();
}
fs::path Store::deployment_directory(const std::string& alias) const {
  return directory_ / "deployments" / alias;
}

bool Store::is_complete(const Result& result) const {
  return std::all_of(result.outputs.begin(), result.outputs.end(),
                     [this](const Output& output) { return blobs_.contains(output); });
}

std::vector<Result> Store::results(const Digest& action_key) const {
  Statement query = database_->prepare(
      fmt::format("SELECT {} FROM results WHERE action_key = ? ORDER BY finished, id", result_columns));
  query.bind(action_key);
  std::vector<Result> found;
  while (query.step()) {
    Result result = result_from_row(query);
    if (is_complete(result)) {
      found.push_back(std::move(result));
    }
  }
  return found;
}

std::string Store::why_lost(const Digest& action_key) const {
  Statement query = database_->prepare(
      fmt::format("SELECT {} FROM results WHERE action_key = ? ORDER BY id", result_columns));
  query.bind(action_key);
  while (query.step()) {
    if (!is_complete(result_from_row(query))) {
      return "the bytes of its result are gone from the store";
    }
  }
  return "";
}

std::optional<Realization> Store::last_realization(const std::string& pipeline,
                                                   const std::string& step) const {
  Statement query = database_->prepare(
      "SELECT actions.recipe, realizations.params FROM realizations JOIN actions USING(action_key) "
      "WHERE pipeline = ? AND step = ? ORDER BY id DESC LIMIT 1");
  query.bind(pipeline).bind(step);
  if (!query.step()) {
    return std::nullopt;
  }
  return Realization{Recipe::parse(query.text(0)), parse_params(query.text(1))};
}

std::optional<Result> Store::find_result(std::int64_t id) const {
  Statement query = database_->prepare(fmt::format("SELECT {} FROM results WHERE id = ?", result_columns));
  query.bind(id);
  return query.step() ? std::optional(result_from_row(query)) : std::nullopt;
}

std::optional<Result> Store::last_result(const Digest& action_key) const {
  Statement query = database_->prepare(fmt::format(
      "SELECT {} FROM results WHERE action_key = ? ORDER BY finished DESC, id DESC LIMIT 1", result_columns));
  query.bind(action_key);
  return query.step() ? std::optional(result_from_row(query)) : std::nullopt;
}

std::vector<Result> Store::all_results() const {
  Statement query =
      database_->prepare(fmt::format("SELECT {} FROM results ORDER BY finished, id", result_columns));
  std::vector<Result> found;
  while (query.step()) {
    found.push_back(result_from_row(query));
  }
  return found;
}

std::optional<Digest> Store::last_action_key(const std::string& step) const {
  Statement query =
      database_->prepare("SELECT action_key FROM realizations WHERE step = ? ORDER BY id DESC LIMIT 1");
  query.bind(step);
  return query.step() ? std::optional(query.digest(0)) : std::nullopt;
}

std::vector<std::string> Store::step_names() const {
  Statement query = database_->prepare("SELECT DISTINCT step FROM realizations ORDER BY step");
  std::vector<std::string> names;
  while (query.step()) {
    names.push_back(query.text(0));
  }
  return names;
}

std::int64_t Store::add_result(const Result& result) {
  blobs_.sync();
  Transaction transaction(*database_);
  Statement insert = database_->prepare(
      "INSERT INTO results(action_key, succeeded, failure, log, outputs, metrics, started, finished) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  insert.bind(result.action_key).bind(result.succeeded ? 1 : 0).bind(result.failure).bind(result.log);
  insert.bind(outputs_text(result.outputs)).bind(metrics_text(result.metrics));
  insert.bind(to_milliseconds(result.started)).bind(to_milliseconds(result.finished)).run();
  const std::int64_t id = database_->last_row_id();
  transaction.commit();
  return id;
}

void Store::add_realization(const std::string& pipeline, const std::string& step, const Digest& derivation,
                            const Recipe& action, const std::map<std::string, std::string>& params) {
  const Digest action_key = action.digest();
  const bool is_known = [&] {
    // Ended before the transaction begins: a look that is still open would keep it to what was there then,
    // and SQLite lets nobody write on top of what is no longer the newest.
    Statement query = database_->prepare(
        "SELECT derivation, action_key, params FROM realizations WHERE pipeline = ? AND step = ? ORDER BY id "
        "DESC LIMIT 1");
    query.bind(pipeline).bind(step);
    return query.step() && query.digest(0) == derivation && query.digest(1) == action_key &&
           query.text(2) == params_text(params);
  }();
  if (is_known) {
    return;
  }
  Transaction transaction(*database_);
  database_->prepare("INSERT OR IGNORE INTO actions(action_key, recipe) VALUES(?, ?)")
      .bind(action_key)
      .bind(action.text())
      .run();
  database_
      ->prepare(
          "INSERT INTO realizations(pipeline, step, derivation, action_key, params, at) "
          "VALUES(?, ?, ?, ?, ?, ?)")
      .bind(pipeline)
      .bind(step)
      .bind(derivation)
      .bind(action_key)
      .bind(params_text(params))
      .bind(to_milliseconds(std::chrono::system_clock::now()))
      .run();
  transaction.commit();
}

}  // namespace mlpipe
