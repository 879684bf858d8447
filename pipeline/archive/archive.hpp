#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"

struct archive;

namespace mlpipe {

// Writes a tar file (pax) in which nothing but names and bytes counts: equal entries in equal order give
// equal files. It has its name only once it is complete.
class ArchiveWriter {
 public:
  // Throws UsageError when the file is there already.
  explicit ArchiveWriter(const std::filesystem::path& file);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  // Returns the digest of what was written.
  Digest add_file(const std::string& name, const std::filesystem::path& path);
  void finish();

 private:
  void begin_entry(const std::string& name, std::uint64_t bytes);
  void write(std::string_view bytes);

  struct Free {
    void operator()(archive* opened) const;
  };
  std::filesystem::path file_;
  std::string temporary_;  // empty once it is finished
  FileDescriptor descriptor_;
  std::unique_ptr<archive, Free> archive_;
};

// Reads a tar file entry by entry. What is in it is believed to be hostile: anything but a plain file with a
// plain name is refused with a UsageError, as is what is cut off or no tar file.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::filesystem::path file);

  struct Entry {
    std::string name;
  };
  // The next entry; nothing after the last.
  std::optional<Entry> next();
  // The next bytes of the entry; 0 at its end.
  std::size_t read(std::span<char> buffer);

 private:
  [[noreturn]] void refuse(const std::string& why) const;

  struct Free {
    void operator()(archive* opened) const;
  };
  std::filesystem::path file_;
  std::string entry_;  // the name of the current one
  std::unique_ptr<archive, Free> archive_;
};

}  // namespace mlpipe
