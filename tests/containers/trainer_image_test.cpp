#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/process.hpp"
#include "tests/containers/image_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class TrainerImage : public ImageTest {};

TEST_F(TrainerImage, IsConfiguredForAnyEngine) {
  const Json config = inspect(image("trainer")).at("Config");
  expect_safe_configuration(config, "SIGTERM");
  const Json& variables = config.at("Env");
  EXPECT_NE(std::find(variables.begin(), variables.end(), "NVIDIA_VISIBLE_DEVICES=void"), variables.end());
  EXPECT_EQ(config.at("Cmd"), Json({"mlpipe-train", "--help"}));
}

TEST_F(TrainerImage, LoadsNothingThatIsMissing) {
  for (const std::string program : {"mlpipe-train", "mlpipe-fetch"}) {
    EXPECT_EQ(missing_libraries(image("trainer"), "/usr/local/bin/" + program), Arguments{}) << program;
  }
}

TEST_F(TrainerImage, HoldsNoCompilerAndNoPackageLists) {
  for (const std::string& file : files(image("trainer"))) {
    EXPECT_FALSE(file == "usr/bin/g++" || file == "usr/bin/ld" || file == "usr/bin/python3" ||
                 (file.starts_with("var/lib/apt/lists/") && file.ends_with("_Packages")))
        << file;
  }
}

TEST_F(TrainerImage, TrainsAndRunsCommandsForAnyUserOnAReadOnlyRoot) {
  const TemporaryDirectory folder;
  fs::copy(MLPIPE_REPOSITORY "/examples/iris/data/iris.csv", folder.path() / "iris.csv");
  write_file_atomically(folder.path() / "train.yaml",
                        "{ data: { csv: iris.csv, target: species }, network: [linear: auto], epochs: 2 }\n");
  fs::permissions(folder.path(), fs::perms::all);
  const Captured trained = run(
      image("trainer"),
      {"--network=none", "--user=12345:12345", fmt::format("--volume={}:/work", folder.path().string()),
       "--workdir=/work"},
      {"sh", "-c",
       "mlpipe-train --config train.yaml --name iris --model model --report report && cat model/model.yaml"});
  EXPECT_TRUE(trained.ending.succeeded()) << trained.output << trained.error;
  EXPECT_NE(trained.output.find("iris"), std::string::npos) << trained.output;
}

// Its libraries are 5 GB, so it is built where that is asked for.
TEST_F(TrainerImage, ForAGpuMissesNothingButTheDriver) {
  if (std::getenv("MLPIPE_TEST_CUDA") == nullptr) {
    GTEST_SKIP() << "it takes 15 GB of disk: set MLPIPE_TEST_CUDA=1";
  }
  const std::string cuda = image("trainer", {"DEVICE=cuda"});
  const Captured listed = run(cuda, {}, {"sh", "-c", R"(
find /usr/local/lib/mlpipe /usr/local/bin -type f \( -name '*.so*' -o -perm /111 \) | while read -r file; do
  ldd "$file" 2>&1
done | grep 'not found' | sort -u)"});
  EXPECT_EQ(listed.output, "\tlibcuda.so.1 => not found\n") << listed.error;
}

}  // namespace
}  // namespace mlpipe
