// Model folders that must not be served: each is refused by the name of the file and what is wrong with it.
#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "server/model/load_model.hpp"
#include "tests/trainer/random_network.hpp"
#include "trainer/network/torchscript.hpp"

namespace mlpipe {
namespace {

// As torch.save begins one: a stored file of the name model/data.pkl in a zip archive, and a pickle in it.
constexpr std::string_view saved_by_torch(
    "PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0e\0\0\0model/data.pkl\x80\x02}q\0.", 50);

class RefusedModel : public ::testing::Test {
 protected:
  RefusedModel() {
    write_safetensors(file(), network_.weights);
    Model model;
    model.input_shape = network_.input;
    model.labels = {"a", "b", "c"};
    model.network = network_.network;
    model.weights = digest_of_file(file());
    write_model(model, folder_.path());
  }

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path file() const { return folder() / weights_file; }
  // A model.yaml that does not say what the weights' digest is.
  void describe_without_digest() const {
    Model model = read_model(folder());
    model.weights = {};
    write_model(model, folder());
  }
  void describe_script(const std::string& more = "") const {
    write_file_atomically(folder() / model_file,
                          "mlpipe-model: 1\ntask: classification\ninput: {shape: [4]}\nlabels: [a, b, c]\n"
                          "weights: {file: model.pt" +
                              more + "}\n");
  }

  void expect_refused(const std::string& name, const std::string& why) const {
    try {
      load_model(folder());
      ADD_FAILURE() << "it was loaded";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find((folder() / name).string()), std::string::npos)
          << error.what();
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  }

  testing::RandomNetwork network_ = testing::random_network("[linear: 8, relu, linear: auto]", {4}, 3);

 private:
  TemporaryDirectory folder_;
};

TEST_F(RefusedModel, IsNoneOfTheseAsItStands) {
  EXPECT_EQ(load_model(folder())->predict(network_.examples(2), 2).size(), 6U);
}

TEST_F(RefusedModel, WithoutAFile) {
  std::filesystem::remove(file());
  expect_refused(weights_file, "No such file");
  describe_script();
  expect_refused("model.pt", "No such file");
  std::filesystem::remove(folder() / model_file);
  expect_refused(model_file, "");
}

TEST_F(RefusedModel, WithAFileThatWasChanged) {
  std::string bytes = read_file(file());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomically(file(), bytes);
  expect_refused(weights_file, "its SHA-256 is");
  write_torchscript(network_.network, network_.weights, folder() / "model.pt");
  describe_script(", sha256: " + digest_of("another").hex());
  expect_refused("model.pt", "its SHA-256 is");
}

TEST_F(RefusedModel, WithASizeThatLies) {
  describe_without_digest();
  const std::string whole = read_file(file());
  write_file_atomically(file(), whole.substr(0, whole.size() - 4));
  expect_refused(weights_file, "tensor '2.bias' is said to be at 256 to 268, and there are 264 bytes");
  std::string longer_header = whole;
  longer_header[6] = '\x7f';
  write_file_atomically(file(), longer_header);
  expect_refused(weights_file, "its header says it is");
  std::string shape = whole;
  shape.replace(shape.find("[8,4]"), 5, "[9,4]");
  write_file_atomically(file(), shape);
  expect_refused(weights_file, "tensor '0.weight'");
}

TEST_F(RefusedModel, ThatIsAPickle) {
  describe_without_digest();
  for (const std::string_view pickle : {std::string_view("\x80\x04}\x94.\0\0\0\0\0", 10), saved_by_torch}) {
    write_file_atomically(file(), pickle);
    expect_refused(weights_file, "it is a pickle");
  }
  describe_script();
  for (const std::string_view pickle : {std::string_view("\x80\x02}q\0.", 6), saved_by_torch}) {
    write_file_atomically(folder() / "model.pt", pickle);
    expect_refused("model.pt", "it is a pickle");
  }
}

}  // namespace
}  // namespace mlpipe
