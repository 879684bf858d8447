#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {
namespace {

class Summary : public ::testing::Test {
 protected:
  Captured run(const std::string& config, std::vector<std::string> more = {}) {
    write_file_atomically(folder_.path() / "train.yaml", config);
    Command command;
    command.arguments = {MLPIPE_TRAIN, "summary", "--config", "train.yaml"};
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    command.work_directory = folder_.path();
    return run_and_capture(command);
  }

 private:
  TemporaryDirectory folder_;
};

constexpr const char* nested =
    "data: { csv: none.csv, target: x, shape: [1, 8, 8] }\n"
    "network:\n"
    "  - conv: { out: 32, kernel: 3, padding: same }\n"
    "  - residual: [relu, conv: { out: 32, kernel: 1 }]\n"
    "  - flatten\n"
    "  - linear: auto\n";

TEST_F(Summary, PrintsATableBeforeAnyDataIsRead) {
  const Captured outcome = run(nested, {"--labels", "10"});
  EXPECT_TRUE(outcome.ending.succeeded()) << outcome.error;
  EXPECT_EQ(outcome.output,
            "     layer                                              output      parameters\n"
            "     input                                              [1, 8, 8]\n"
            "1    conv: {out: 32, kernel: 3, stride: 1, padding: 1}  [32, 8, 8]         320\n"
            "2    residual                                           [32, 8, 8]       1,056\n"
            "2.1  relu                                               [32, 8, 8]           0\n"
            "2.2  conv: {out: 32, kernel: 1, stride: 1, padding: 0}  [32, 8, 8]       1,056\n"
            "3    flatten                                            [2048]               0\n"
            "4    linear: 10                                         [10]            20,490\n"
            "     total                                                              21,866\n");
}

TEST_F(Summary, SaysAutoForWhatOnlyTheDataKnows) {
  const Captured outcome = run(nested, {"--input", "1,4,4"});
  EXPECT_NE(outcome.output.find("linear: auto"), std::string::npos) << outcome.error;
  EXPECT_NE(outcome.output.find("1,376 + auto"), std::string::npos) << outcome.output;
}

TEST_F(Summary, AsksTheDataWhereTheConfigNamesNoShape) {
  const Captured outcome =
      run("data: { csv: " MLPIPE_EXAMPLES "/iris/data/iris.csv, target: species }\nnetwork: mlp\n");
  EXPECT_NE(outcome.output.find("input        [4]"), std::string::npos) << outcome.output << outcome.error;
  EXPECT_NE(outcome.output.find("9,091"), std::string::npos) << outcome.output;
}

TEST_F(Summary, AWrongShapeNamesTheLayerAndItsLine) {
  const Captured outcome = run(nested, {"--input", "64"});
  EXPECT_EQ(outcome.ending.exit_code, 2);
  EXPECT_NE(outcome.error.find("train.yaml:3:5: layer 1 (conv): it takes an image"), std::string::npos)
      << outcome.error;
  EXPECT_EQ(run(nested, {"--input", "0"}).ending.exit_code, 2);
  EXPECT_EQ(run("network: linear\n").ending.exit_code, 2);
  EXPECT_EQ(run("data: { csv: none.csv, target: x }\nnetwork: linear\n").ending.exit_code, 2);
}

}  // namespace
}  // namespace mlpipe
