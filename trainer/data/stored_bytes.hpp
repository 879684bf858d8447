#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// Bytes that somebody keeps: in memory, or as a mapped file. Copies share them.
struct StoredBytes {
  std::shared_ptr<const void> owner;
  std::span<char> bytes;  // may be written to as long as nobody else reads them

  std::string_view view() const { return {bytes.data(), bytes.size()}; }
};

// A file as it lies on disk, read page by page as it is looked at. It must not be shortened meanwhile. Throws
// UsageError for what is no file or empty. Not to be written to.
StoredBytes map_file(const std::filesystem::path& path);

// Takes bytes of a size that is not known beforehand: into memory, and beyond `limit` bytes into a file in
// the working directory that has no name, so it goes away with the process however that ends.
class ByteCollector {
 public:
  explicit ByteCollector(std::size_t limit) : limit_(limit) {}

  // Throws Error when the disk is full.
  void append(std::string_view bytes);
  std::size_t size() const { return written_ + buffer_.size(); }

  // All of them, aligned for any number. The collector is empty afterwards.
  StoredBytes finish();

 private:
  void flush();

  std::size_t limit_;
  std::string buffer_;
  std::size_t written_ = 0;  // to the file
  FileDescriptor file_;
};

// A quarter of the machine's memory, or of what a control group leaves of it.
std::size_t default_memory_limit();

}  // namespace mlpipe
