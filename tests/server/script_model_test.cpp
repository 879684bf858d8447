// Models whose network is TorchScript.
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/model/check_model.hpp"
#include "server/model/load_model.hpp"
#include "tests/trainer/random_network.hpp"
#include "trainer/network/torchscript.hpp"

namespace mlpipe {
namespace {

constexpr const char* layers =
    "[conv: {out: 4, kernel: 3}, batchnorm, relu, maxpool: 2, flatten, linear: auto]";

class ScriptModelTest : public ::testing::Test {
 protected:
  ScriptModelTest() {
    write_torchscript(network_.network, network_.weights, folder() / "model.pt");
    describe("");
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

  // The shortest model.yaml, and more of it.
  void describe(const std::string& more, const std::string& labels = "[a, b, c]") const {
    write_file_atomically(folder() / model_file,
                          "mlpipe-model: 1\ntask: classification\ninput: {shape: [1, 8, 8]}\nlabels: " +
                              labels + "\nweights: {file: model.pt" + more + "}\n");
  }
  std::string refusal() const {
    try {
      load_model(folder())->predict(network_.examples(2), 2);
      return "it was not refused";
    } catch (const Error& error) {
      return error.what();
    }
  }

  testing::RandomNetwork network_ = testing::random_network(layers, {1, 8, 8}, 3);
  TemporaryDirectory folder_;
};

TEST_F(ScriptModelTest, GivesWhatTheSameNetworkOfLayersGives) {
  const TemporaryDirectory other;
  write_safetensors(other.path() / weights_file, network_.weights);
  Model model;
  model.input_shape = {1, 8, 8};
  model.labels = {"a", "b", "c"};
  model.network = network_.network;
  write_model(model, other.path());
  const auto by_layers = load_model(other.path());
  const auto by_script = load_model(folder());
  const std::vector<float> examples = network_.examples(300);
  const std::vector<float> wanted = by_layers->predict(examples, 300);
  const std::vector<float> found = by_script->predict(examples, 300);
  ASSERT_EQ(found.size(), 900U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], 1e-5);
  }
  EXPECT_EQ(by_script->model().name, "model");
  EXPECT_EQ(by_script->model().weights, digest_of_file(folder() / "model.pt"));
  EXPECT_TRUE(check_model(folder()).empty());
}

TEST_F(ScriptModelTest, ItsDigestStandsForTheWeightsToo) {
  const Digest before = load_model(folder())->digest();
  const testing::RandomNetwork other = testing::random_network(layers, {1, 8, 8}, 3);
  std::vector<NamedTensor> weights = network_.weights;
  weights.front().values.front() += 1;
  write_torchscript(network_.network, weights, folder() / "model.pt");
  EXPECT_NE(load_model(folder())->digest(), before);
}

TEST_F(ScriptModelTest, IsRefusedWhenItWasChangedOrIsDamaged) {
  describe(", sha256: " + digest_of_file(folder() / "model.pt").hex());
  EXPECT_NO_THROW(load_model(folder()));
  const std::string whole = read_file(folder() / "model.pt");
  write_file_atomically(folder() / "model.pt", whole + "x");
  EXPECT_NE(refusal().find("its SHA-256 is"), std::string::npos) << refusal();
  describe("");
  write_file_atomically(folder() / "model.pt", whole.substr(0, whole.size() / 2));
  EXPECT_NE(refusal().find("model.pt: "), std::string::npos) << refusal();
  write_file_atomically(folder() / "model.pt", "\x80\x02}q");
  EXPECT_NE(refusal().find("it is a pickle"), std::string::npos) << refusal();
}

TEST_F(ScriptModelTest, IsRefusedWhenItsOutputsAreNotTheLabels) {
  describe("", "[a, b, c, d]");
  EXPECT_NE(refusal().find("the network gives [2, 3] for 2 examples"), std::string::npos) << refusal();
}

TEST_F(ScriptModelTest, SaysWhatItsCodeCannotTake) {
  write_file_atomically(folder() / model_file,
                        "mlpipe-model: 1\ntask: classification\ninput: {shape: [5]}\nlabels: [a, b, c]\n"
                        "weights: {file: model.pt}\n");
  const auto model = load_model(folder());
  EXPECT_THROW(model->predict(std::vector<float>(5), 1), Error);
}

}  // namespace
}  // namespace mlpipe
