#include "pipeline/model/check_model.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {
namespace {

// As far as it is looked at.
const std::string script = std::string("PK\x03\x04") + "m/code/__torch__.py … m/constants.pkl … m/data.pkl";
const std::string saved = std::string("PK\x03\x04") + "m/data.pkl … m/data/0";

class CheckModelTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_.path() / name, text);
  }
  void describe(const std::string& more) const {
    write(model_file, "mlpipe-model: 1\ntask: binary\ninput: {shape: [2]}\n" + more + "\n");
  }
  std::string faults() const { return text_of(check_model(folder_.path())); }
  ::testing::AssertionResult finds(const std::string& part) const {
    return faults().find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                    : ::testing::AssertionFailure() << faults();
  }

  TemporaryDirectory folder_;
};

TEST_F(CheckModelTest, AShortDescriptionSuffices) {
  write("model.pt", script);
  describe("labels: [a, b]\nweights: {file: model.pt}");
  EXPECT_EQ(faults(), "");
  const Model model = read_model(folder_.path());
  EXPECT_EQ(model.name, "model");
  EXPECT_EQ(model.input_name, "input");
  EXPECT_EQ(model.format, WeightsFormat::torchscript);
  EXPECT_TRUE(model.weights.is_zero());

  write_safetensors(folder_.path() / weights_file, {{"0.weight", {1, 2}, {1, 2}}, {"0.bias", {1}, {0}}});
  describe("labels: [a, b]\nnetwork: [linear: auto]\nweights: {}");
  EXPECT_EQ(faults(), "");
}

TEST_F(CheckModelTest, WhatIsMissingIsToldWithWhatToWrite) {
  EXPECT_TRUE(finds("model.yaml: it is missing"));
  EXPECT_TRUE(finds("mlpipe-model: 1"));
  EXPECT_THROW(check_model(folder_.path() / "none"), UsageError);
}

TEST_F(CheckModelTest, EveryFaultIsTold) {
  describe("labels: [a, b, c]\nlabel: x\nweights: {file: model.pt}");
  EXPECT_TRUE(finds("model.yaml:5:1: "));
  EXPECT_TRUE(finds("model.pt: there is no such file in the folder"));
  describe("labels: [a, b, c]\nweights: {file: model.pt, sha256: " + digest_of("other").hex() + "}");
  write("model.pt", saved);
  EXPECT_TRUE(finds("a binary model has two labels"));
  EXPECT_TRUE(finds("model.pt: its SHA-256 is "));
  EXPECT_TRUE(finds("it is a pickle, as torch.save writes it"));
}

TEST_F(CheckModelTest, TheFormatIsWhatTheNameOrTheKeySays) {
  write("net.bin", script);
  describe("labels: [a, b]\nweights: {file: net.bin}");
  EXPECT_TRUE(finds("does not say what the file holds"));
  describe("labels: [a, b]\nformat: torchscript\nweights: {file: net.bin}");
  EXPECT_EQ(faults(), "");
  describe("labels: [a, b]\nnetwork: [linear: auto]\nformat: torchscript\nweights: {file: net.bin}");
  EXPECT_TRUE(finds("the network is in net.bin already"));
  describe("labels: [a, b]\nformat: safetensors\nweights: {file: net.bin}");
  EXPECT_TRUE(finds("add `network:`"));
  describe("labels: [a, b]\nweights: {file: ../model.pt}");
  EXPECT_TRUE(finds("is not the name of a file in the model's folder"));
  write("a.pt2", script);
  describe("labels: [a, b]\nweights: {file: a.pt2}");
  EXPECT_TRUE(finds("an archive without a compiled library"));
  write("b.pt", "text");
  describe("labels: [a, b]\nweights: {file: b.pt}");
  EXPECT_TRUE(finds("it is not TorchScript"));
}

}  // namespace
}  // namespace mlpipe
