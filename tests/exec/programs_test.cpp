#include "pipeline/exec/programs.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class ImageSources : public testing::Test {
 protected:
  void put_sources(const fs::path& folder) const {
    fs::create_directories(folder_.path() / folder / "containers");
    write_file_atomically(folder_.path() / folder / "containers" / "server.Dockerfile", "FROM scratch\n");
  }

  TemporaryDirectory folder_;
};

TEST_F(ImageSources, LieBesideAnInstalledProgramOrInTheRepositoryOfABuild) {
  put_sources("repository");
  EXPECT_EQ(image_sources(folder_.path() / "repository/build/release/bin"), folder_.path() / "repository");
  put_sources("prefix/share/mlpipe/source");
  EXPECT_EQ(image_sources(folder_.path() / "prefix/bin"), folder_.path() / "prefix/share/mlpipe/source");
}

TEST_F(ImageSources, WhereThereAreNoneTheMessageSaysWhereTheyShouldBe) {
  try {
    image_sources(folder_.path() / "prefix/bin");
    FAIL() << "found some";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("prefix/share/mlpipe/source/containers"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace mlpipe
