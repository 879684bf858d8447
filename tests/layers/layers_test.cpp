#include "tests/layers/layers.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

TEST(Layers, AreKept) {
  EXPECT_EQ(join(find_layer_faults(MLPIPE_SOURCE_DIR), "\n"), "");
}

class BadTree : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    write_file_atomically(folder_.path() / file, text);
  }
  std::string faults() const { return join(find_layer_faults(folder_.path()), "\n"); }

  TemporaryDirectory folder_;
};

TEST_F(BadTree, MayNotIncludeToTheRight) {
  write("pipeline/plan/plan.cpp",
        "#include \"pipeline/plan/plan.hpp\"\n#include \"pipeline/spec/spec.hpp\"\n\n"
        "  #  include \"pipeline/store/store.hpp\"  // why\n");
  write("pipeline/agent/start.cpp", "#include \"pipeline/spec/spec.hpp\"\n");
  write("pipeline/cli/main.cpp", "#include \"trainer/network/predictor.hpp\"\n#include <torch/torch.h>\n");
  write("trainer/data/csv.cpp",
        "#include \"pipeline/store/store.hpp\"\n#include \"pipeline/model/model.hpp\"\n");
  write("server/main.cpp",
        "#include \"trainer/training/loop.hpp\"\n#include \"trainer/network/predictor.hpp\"\n");
  EXPECT_EQ(faults(),
            "pipeline/agent/start.cpp:1: pipeline/agent/ may not include \"pipeline/spec/spec.hpp\"\n"
            "pipeline/cli/main.cpp:1: pipeline/cli/ may not include \"trainer/network/predictor.hpp\"\n"
            "pipeline/cli/main.cpp:2: <torch/torch.h> belongs behind its wrapper\n"
            "pipeline/plan/plan.cpp:4: pipeline/plan/ may not include \"pipeline/store/store.hpp\"\n"
            "server/main.cpp:1: server/ may not include \"trainer/training/loop.hpp\"\n"
            "trainer/data/csv.cpp:1: trainer/data/ may not include \"pipeline/store/store.hpp\"");
}

TEST_F(BadTree, KeepsLibrariesBehindTheirWrappers) {
  write("pipeline/base/yaml.cpp",
        "#include <yaml-cpp/parser.h>\n#include <unistd.h>\n#include <sys/stat.h>\n");
  write("pipeline/base/yaml.hpp",
        "#include <yaml-cpp/parser.h>\n#include <vector>\n#include <fmt/format.h>\n");
  write("pipeline/base/text.cpp", "#include <unknown/library.hpp>\n#include <bzlib.h>\n");
  write("server/http/server.cpp", "#include <boost/asio/post.hpp>\n#include <sqlite3.h>\n");
  EXPECT_EQ(
      faults(),
      "pipeline/base/text.cpp:1: <unknown/library.hpp> is of a library that has no wrapper in "
      "tests/layers/layers.cpp\n"
      "pipeline/base/text.cpp:2: <bzlib.h> is of a library that has no wrapper in tests/layers/layers.cpp\n"
      "pipeline/base/yaml.hpp:1: <yaml-cpp/parser.h> belongs behind its wrapper\n"
      "server/http/server.cpp:2: <sqlite3.h> belongs behind its wrapper");
}

TEST_F(BadTree, WritesIncludesFromTheRoot) {
  write("pipeline/base/text.cpp", "#include \"text.hpp\"\n#include \"../base/text.hpp\"\n");
  EXPECT_EQ(faults(),
            "pipeline/base/text.cpp:1: \"text.hpp\" is not written from the repository's root\n"
            "pipeline/base/text.cpp:2: \"../base/text.hpp\" is not written from the repository's root");
}

TEST_F(BadTree, HasNoFolderWithoutAPlace) {
  write("pipeline/new/thing.cpp", "");
  EXPECT_EQ(faults(), "pipeline/new/thing.cpp: its folder has no place in tests/layers/layers.cpp");
}

TEST_F(BadTree, IsNotEmpty) {
  EXPECT_EQ(faults(), folder_.path().string() + ": no sources are here");
}

}  // namespace
}  // namespace mlpipe
