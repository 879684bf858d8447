#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/store/database.hpp"
#include "pipeline/store/file_stamp.hpp"

namespace mlpipe {

// Remembers the SHA-256 of files by their stamps, so that what did not change is not read again. Not
// thread-safe; hashes on all cores by itself.
class FileHashes {
 public:
  // Without a database nothing is remembered.
  explicit FileHashes(const Database* database) : database_(database) {}

  // In the order of the paths. Throws Error for a file that is not there or changes meanwhile.
  std::vector<Digest> digests(std::span<const std::filesystem::path> paths);
  Digest digest(const std::filesystem::path& path);
  // From now on remembers in this database, which must outlive this.
  void remember_in(const Database& database) { database_ = &database; }
  // Writes down what was hashed since; cheap when nothing was.
  void save();

 private:
  struct Fresh {
    std::string path;
    FileStamp stamp;
    std::int64_t hashed_at = 0;
    Digest digest;
  };
  const Database* database_;
  std::vector<Fresh> fresh_;
};

}  // namespace mlpipe
