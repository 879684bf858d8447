#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/digest.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace mlpipe {

// One prepared statement. Columns are counted from 0, parameters are bound in order. Not thread-safe.
class Statement {
 public:
  Statement& bind(std::int64_t value);
  Statement& bind(int value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind(const Digest& digest);  // as 32 bytes

  // Makes it ready to be bound and run again.
  Statement& reset();
  // The next row; false after the last.
  bool step();
  // Runs a statement that yields no rows.
  void run();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  Digest digest(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* database, std::string_view sql);
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

// One SQLite database in WAL mode, shared by any number of processes on this machine. What a committed
// transaction wrote survives a power cut. Not thread-safe: one for each thread.
class Database {
 public:
  enum class Mode { read_write, read_only };
  Database(const std::filesystem::path& path, Mode mode);

  Statement prepare(std::string_view sql) const;
  void execute(const std::string& sql) const;
  std::int64_t last_row_id() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
};

// A write transaction: rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

}  // namespace mlpipe
