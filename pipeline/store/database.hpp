#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/digest.hpp"

struct sqlite3_stmt;

namespace mlpipe {

struct Connection;  // to SQLite, with the statements that were prepared and are not in use

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
  Statement(std::shared_ptr<Connection> connection, std::string_view sql);
  struct GiveBack {
    Connection* connection = nullptr;
    void operator()(sqlite3_stmt* statement) const;
  };
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<sqlite3_stmt, GiveBack> statement_;
  int bound_ = 0;
};

// One SQLite database in WAL mode, shared by any number of processes on this machine. What a committed
// transaction wrote survives a power cut. Not thread-safe: one for each thread.
class Database {
 public:
  // read_only changes nothing at all, SQLite's own files beside the database included; it sees what others
  // commit. For that, read_write leaves those files behind when it is closed, emptied.
  enum class Mode { read_write, read_only };
  Database(const std::filesystem::path& path, Mode mode);

  // A text is prepared once and used again when its statement is free.
  Statement prepare(std::string_view sql) const;
  void execute(const std::string& sql) const;
  std::int64_t last_row_id() const;

 private:
  friend class Transaction;
  std::shared_ptr<Connection> connection_;
};

// A write transaction: rolled back unless committed. One that begins within another is a part of it: all of
// it is written when the outermost commits, and none when any part was left without a commit.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

}  // namespace mlpipe
