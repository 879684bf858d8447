#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/starter.hpp"

namespace mlpipe {
namespace fs = std::filesystem;

int init_command(const Invocation& invocation) {
  const fs::path folder = invocation.value_or("DIR", ".");
  const fs::path pipeline = folder / "pipeline.yaml";
  const fs::path data = folder / "data" / "iris.csv";
  for (const fs::path& file : {pipeline, data}) {
    if (fs::exists(fs::symlink_status(file))) {
      throw UsageError(fmt::format("{} is there already; nothing was changed", file.string()),
                       "init writes into a folder that has no pipeline yet");
    }
  }
  fs::create_directories(data.parent_path());
  write_file_atomically(data, starter_data());
  write_file_atomically(pipeline, starter_pipeline());
  fmt::print(stderr, "wrote {} and {}\n  next: mlpipe run{}\n", pipeline.lexically_normal().string(),
             data.lexically_normal().string(), folder == "." ? "" : " " + folder.string());
  return 0;
}

}  // namespace mlpipe
