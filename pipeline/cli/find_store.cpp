#include "pipeline/cli/find_store.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* default_file = "pipeline.yaml";

std::optional<fs::path> nearest_store() {
  std::error_code error;
  for (fs::path folder = fs::current_path(error); !error; folder = folder.parent_path()) {
    if (fs::exists(folder / ".mlpipe" / "format", error)) {
      return folder / ".mlpipe";
    }
    if (folder == folder.parent_path()) {
      break;
    }
  }
  return std::nullopt;
}

fs::path directory_of(const Invocation& invocation) {
  if (const auto named = invocation.value("--store")) {
    return fs::absolute(*named);
  }
  const char* variable = std::getenv("MLPIPE_STORE");
  if ((variable != nullptr && *variable != '\0') || invocation.has("--file") || invocation.has("FILE")) {
    return Store::default_directory(fs::absolute(pipeline_file(invocation)).parent_path());
  }
  if (const auto found = nearest_store()) {
    return *found;
  }
  throw UsageError("there is no store here: no pipeline has run in this folder or above it",
                   "name the pipeline with --file, or its store with --store or MLPIPE_STORE");
}

Store found(std::optional<Store> store, const fs::path& directory) {
  if (store) {
    return std::move(*store);
  }
  throw UsageError(fmt::format("there is no store at {}: nothing has run there yet", directory.string()),
                   "name the pipeline with --file, or its store with --store or MLPIPE_STORE");
}

}  // namespace

fs::path pipeline_file(const Invocation& invocation) {
  fs::path named = invocation.value_or("FILE", invocation.value_or("--file", default_file));
  std::error_code error;
  if (fs::is_directory(named, error) && fs::is_regular_file(named / default_file, error)) {
    return named / default_file;
  }
  return named;
}

Store find_store(const Invocation& invocation) {
  const fs::path directory = directory_of(invocation);
  return found(Store::open_existing(directory), directory);
}

Store find_store_to_read(const Invocation& invocation) {
  const fs::path directory = directory_of(invocation);
  return found(Store::open_to_read(directory), directory);
}

}  // namespace mlpipe
