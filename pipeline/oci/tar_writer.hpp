#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace mlpipe {

// Writes a tar stream (ustar) in which nothing but names, bytes and the bit that makes a file executable
// counts: no times, no owners. Equal entries in equal order give equal bytes, in every build, which the
// digest of an image hangs on; so it is written here and not by a library.
class TarWriter {
 public:
  explicit TarWriter(std::function<void(std::string_view)> write) : write_(std::move(write)) {}

  // Names are relative and separated by '/'. Throws Error for one that is too long for the format.
  void folder(const std::string& name);
  void file(const std::string& name, std::string_view bytes, bool executable = false);
  void file_from(const std::string& name, const std::filesystem::path& path, bool executable = false);
  void finish();

 private:
  void header(const std::string& name, char type, int mode, std::uint64_t bytes);
  void pad(std::uint64_t bytes);
  std::function<void(std::string_view)> write_;
};

}  // namespace mlpipe
