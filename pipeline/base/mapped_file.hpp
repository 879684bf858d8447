#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace mlpipe {

// A file's bytes in memory, read page by page as they are looked at. The file must not be shortened
// meanwhile: for files that are replaced by rename and never written in place. Movable.
class MappedFile {
 public:
  // Nothing when there is no such file or it cannot be mapped.
  static std::optional<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

}  // namespace mlpipe
