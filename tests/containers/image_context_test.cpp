#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

const fs::path containers = fs::path(MLPIPE_REPOSITORY) / "containers";

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::istringstream text(read_file(file));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line);
  }
  return lines;
}

// The paths that a Dockerfile copies from its context.
std::vector<fs::path> copied_by(const fs::path& dockerfile) {
  std::vector<fs::path> paths;
  for (const std::string& line : lines_of(dockerfile)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word != "COPY" || line.find("--from=") != std::string::npos) {
      continue;
    }
    while (words >> word) {
      paths.emplace_back(word.ends_with('/') ? word.substr(0, word.size() - 1) : word);
    }
    paths.pop_back();  // where to
  }
  return paths;
}

bool is_kept(const fs::path& path, const fs::path& ignore_file) {
  for (const std::string& line : lines_of(ignore_file)) {
    const fs::path kept = line.starts_with('!') ? line.substr(1) : "";
    if (!kept.empty() &&
        std::mismatch(kept.begin(), kept.end(), path.begin(), path.end()).first == kept.end()) {
      return true;
    }
  }
  return false;
}

bool is_program(const fs::path& path) {
  return (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
}

class ImageContext : public testing::TestWithParam<std::string> {
 protected:
  fs::path dockerfile() const { return containers / (GetParam() + ".Dockerfile"); }
};

TEST_P(ImageContext, HoldsWhatItsDockerfileCopies) {
  const std::vector<fs::path> copied = copied_by(dockerfile());
  ASSERT_FALSE(copied.empty());
  for (const fs::path& path : copied) {
    EXPECT_TRUE(fs::exists(MLPIPE_REPOSITORY / path)) << path;
    EXPECT_TRUE(is_kept(path, fs::path(MLPIPE_REPOSITORY) / ".dockerignore")) << path;
    EXPECT_TRUE(is_kept(path, containers / (GetParam() + ".Dockerfile.dockerignore"))) << path;
  }
}

TEST_P(ImageContext, HasNothingElse) {
  const std::vector<fs::path> copied = copied_by(dockerfile());
  for (const std::string& line : lines_of(containers / (GetParam() + ".Dockerfile.dockerignore"))) {
    if (line.starts_with('!')) {
      const fs::path kept = line.substr(1);
      EXPECT_TRUE(std::any_of(copied.begin(), copied.end(), [&](const fs::path& path) {
        return std::mismatch(kept.begin(), kept.end(), path.begin(), path.end()).first == kept.end();
      })) << kept;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Images, ImageContext,
                         testing::Values("agent", "gateway", "orchestrator", "server", "trainer"),
                         [](const auto& name) { return name.param; });

TEST(InstalledImageSources, AreWhatTheDockerfilesCopy) {
  const TemporaryDirectory prefix;
  Command command;
  command.arguments = {MLPIPE_CMAKE, "--install", MLPIPE_BUILD_FOLDER,   "--component",
                       "sources",    "--prefix",  prefix.path().string()};
  const Captured installed = run_and_capture(command);
  ASSERT_TRUE(installed.ending.succeeded()) << installed.error;
  const fs::path sources = prefix.path() / "share/mlpipe/source";
  EXPECT_FALSE(fs::exists(sources / "tests"));
  EXPECT_TRUE(fs::exists(sources / ".dockerignore"));
  for (const std::string name : {"agent", "gateway", "orchestrator", "server", "trainer"}) {
    for (const fs::path& path : copied_by(sources / "containers" / (name + ".Dockerfile"))) {
      EXPECT_TRUE(fs::exists(sources / path)) << path;
      EXPECT_EQ(is_program(sources / path), is_program(MLPIPE_REPOSITORY / path)) << path;
    }
  }
}

}  // namespace
}  // namespace mlpipe
