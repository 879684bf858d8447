#include "pipeline/store/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"

namespace mlpipe {

struct Connection {
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    for (auto& [sql, statements] : idle) {
      for (sqlite3_stmt* statement : statements) {
        sqlite3_finalize(statement);
      }
    }
    sqlite3_close_v2(handle);
  }

  sqlite3* handle = nullptr;
  std::unordered_map<std::string, std::vector<sqlite3_stmt*>> idle;
  int transactions = 0;  // begun and not ended, one within the other
  bool doomed = false;   // one of them was given up
};

namespace {

constexpr int busy_timeout_ms = 30'000;
constexpr std::int64_t largest_log_kept = std::int64_t{4} << 20U;  // bytes of the write-ahead log

std::string hint_for(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "free some space on the store's disk; what was recorded is kept";
    case SQLITE_READONLY:
      return "set MLPIPE_STORE to a folder that can be written";
    default:
      return "";
  }
}

[[noreturn]] void fail(sqlite3* database, std::string_view doing) {
  const char* path = sqlite3_db_filename(database, "main");
  throw Error(fmt::format("the store's index{}{}: {}: {}", path != nullptr ? " " : "",
                          path != nullptr ? path : "", doing, sqlite3_errmsg(database)),
              hint_for(sqlite3_errcode(database)));
}

void execute_in(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail(database, "writing");
  }
}

// As a part of a URI, where '?', '#' and '%' would mean something.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    text += c == '?' || c == '#' || c == '%' ? fmt::format("%{:02x}", static_cast<unsigned char>(c))
                                             : std::string(1, c);
  }
  return text;
}

// A reader takes part in the locking of writers through the file "-shm", without changing it. Where there is
// none nobody writes, so the database can be read as a file like any other.
std::string address_to_read(const std::filesystem::path& path) {
  std::error_code error;
  const bool shared = std::filesystem::exists(path.string() + "-shm", error);
  return fmt::format("file:{}?{}", escaped(path.string()),
                     shared ? "mode=ro&readonly_shm=1" : "mode=ro&immutable=1");
}

}  // namespace

Statement::Statement(std::shared_ptr<Connection> connection, std::string_view sql)
    : connection_(std::move(connection)), statement_(nullptr, GiveBack{connection_.get()}) {
  std::vector<sqlite3_stmt*>& idle = connection_->idle[std::string(sql)];
  if (!idle.empty()) {
    statement_.reset(idle.back());
    idle.pop_back();
    return;
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_->handle, sql.data(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK) {
    fail(connection_->handle, "preparing a statement");
  }
  statement_.reset(statement);
}

void Statement::GiveBack::operator()(sqlite3_stmt* statement) const {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  connection->idle[sqlite3_sql(statement)].push_back(statement);
}

Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(double value) {
  sqlite3_bind_double(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text(statement_.get(), ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(const Digest& digest) {
  sqlite3_bind_blob(statement_.get(), ++bound_, digest.bytes().data(), Digest::size, SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::reset() {
  sqlite3_reset(statement_.get());
  bound_ = 0;
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code != SQLITE_DONE) {
    fail(connection_->handle, "reading or writing");
  }
  return false;
}

void Statement::run() {
  crash_point("write a row");
  while (step()) {
  }
  crash_point("wrote a row");
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return bytes == nullptr
             ? std::string()
             : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

Digest Statement::digest(int column) const {
  const std::string bytes = text(column);
  if (bytes.size() != Digest::size) {
    throw Error("the store's index: a digest of the wrong length");
  }
  std::array<unsigned char, Digest::size> array{};
  std::memcpy(array.data(), bytes.data(), Digest::size);
  return Digest(array);
}

Database::Database(const std::filesystem::path& path, Mode mode)
    : connection_(std::make_shared<Connection>()) {
  const bool writes = mode == Mode::read_write;
  const int flags =
      writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
  const std::string address = writes ? path.string() : address_to_read(path);
  const int code =
      sqlite3_open_v2(address.c_str(), &connection_->handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    fail(connection_->handle, fmt::format("opening {}", path.string()));
  }
  sqlite3_busy_timeout(connection_->handle, busy_timeout_ms);
  if (writes) {
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
    int keep = 1;
    sqlite3_file_control(connection_->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    execute(fmt::format("PRAGMA journal_size_limit={}", largest_log_kept));
  }
}

Statement Database::prepare(std::string_view sql) const {
  return {connection_, sql};
}

void Database::execute(const std::string& sql) const {
  execute_in(connection_->handle, sql.c_str());
}

std::int64_t Database::last_row_id() const {
  return sqlite3_last_insert_rowid(connection_->handle);
}

Transaction::Transaction(const Database& database) : connection_(*database.connection_) {
  if (connection_.transactions == 0) {
    crash_point("begin a transaction");
    execute_in(connection_.handle, "BEGIN IMMEDIATE");
    connection_.doomed = false;
  }
  ++connection_.transactions;
}

Transaction::~Transaction() {
  if (!open_) {
    return;
  }
  connection_.doomed = true;
  if (--connection_.transactions == 0) {
    try {
      execute_in(connection_.handle, "ROLLBACK");
    } catch (const Error&) {  // SQLite has rolled back by itself
    }
  }
}

void Transaction::commit() {
  if (connection_.transactions == 1) {
    if (connection_.doomed) {
      throw Error("the store's index: a part of what was to be written was given up");
    }
    crash_point("commit a transaction");
    execute_in(connection_.handle, "COMMIT");
    crash_point("committed a transaction");
  }
  --connection_.transactions;
  open_ = false;
}

}  // namespace mlpipe
