#include "trainer/data/files.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {

void require_data_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    throw UsageError(fmt::format("{}: there is no such file", path.string()),
                     "paths of data are relative to the folder that the training runs in");
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw UsageError(fmt::format("{}: it is not a regular file", path.string()));
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    throw UsageError(fmt::format("{}: {}", path.string(), error.message()));
  }
  if (size == 0) {
    throw UsageError(fmt::format("{}: it is empty", path.string()));
  }
}

}  // namespace mlpipe
