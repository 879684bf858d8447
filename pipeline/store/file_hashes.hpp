#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/store/database.hpp"

namespace mlpipe {

// Remembers the SHA-256 of files by size, mtime, ctime, inode and device, so that what did not change is not
// read again. An entry that is not older than the clock tick it was written in is hashed again: within one
// tick a file can change without a trace (git's racy rule).
class FileHashes {
 public:
  // Without a database nothing is remembered.
  explicit FileHashes(const Database* database) : database_(database) {}

  Digest digest(const std::filesystem::path& path);
  // From now on remembers in this database, which must outlive this.
  void remember_in(const Database& database) { database_ = &database; }
  // Writes down what was hashed since; cheap when nothing was.
  void save();

 private:
  struct Fresh {
    std::string path;
    std::string stamp;
    std::int64_t hashed_at = 0;
    Digest digest;
  };
  const Database* database_;
  std::vector<Fresh> fresh_;
};

}  // namespace mlpipe
