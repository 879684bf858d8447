#include "pipeline/store/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cstring>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr int busy_timeout_ms = 30'000;

[[noreturn]] void fail(sqlite3* database, std::string_view doing) {
  throw Error(fmt::format("the store's index: {}: {}", doing, sqlite3_errmsg(database)));
}

}  // namespace

Statement::Statement(sqlite3* database, std::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK) {
    fail(database, "preparing a statement");
  }
  statement_.reset(statement);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
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
    fail(database_, "reading or writing");
  }
  return false;
}

void Statement::run() {
  while (step()) {
  }
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

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Database::Database(const std::filesystem::path& path, Mode mode) {
  sqlite3* database = nullptr;
  const int flags =
      mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(database);
  if (code != SQLITE_OK) {
    fail(database, fmt::format("opening {}", path.string()));
  }
  sqlite3_busy_timeout(database, busy_timeout_ms);
  if (mode == Mode::read_write) {
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
  }
}

Statement Database::prepare(std::string_view sql) const {
  return {database_.get(), sql};
}

void Database::execute(const std::string& sql) const {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail(database_.get(), "writing");
  }
}

std::int64_t Database::last_row_id() const {
  return sqlite3_last_insert_rowid(database_.get());
}

Transaction::Transaction(const Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (open_) {
    try {
      database_.execute("ROLLBACK");
    } catch (const Error&) {  // SQLite has rolled back by itself
    }
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace mlpipe
