#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// mlpipe-archive, which reads and writes tar files for the store; in a process of its own, since libarchive
// takes longer to load than a run that has nothing to do. It throws what the program says: UsageError for a
// file that is not what mlpipe exports, or is there already; Error when reading or writing fails.
class Archiver {
 public:
  explicit Archiver(std::filesystem::path program) : program_(std::move(program)) {}

  struct File {
    std::string name;  // in the archive
    std::filesystem::path path;
  };
  void pack(const std::filesystem::path& archive, const std::vector<File>& files) const;
  void unpack(const std::filesystem::path& archive, const std::filesystem::path& folder) const;

 private:
  void run(const std::vector<std::string>& arguments, const std::string& input) const;
  std::filesystem::path program_;
};

}  // namespace mlpipe
