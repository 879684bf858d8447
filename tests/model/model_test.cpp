#include "pipeline/model/model.hpp"

#include <gtest/gtest.h>

#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

Network network_of(const std::string& text, const Shape& input, std::int64_t classes) {
  const YamlDocument document = parse_yaml("net.yaml", text);
  Diagnostics diagnostics(document);
  Network network = read_network(document.root, diagnostics);
  infer_shapes(network, input, classes, diagnostics);
  diagnostics.throw_if_any();
  return network;
}

Model table_model() {
  Model model;
  model.name = "flowers: \"odd\" names";
  model.input_shape = {2};
  model.columns = {{"länge", 4.3F, 7.9F}, {"a: b # c", -0.1F, 1e-20F}};
  model.labels = {"no", "yes", "7", "two\nlines"};
  model.preprocessing = {Preprocessing::Kind::standardize, {0.1F, 1.0F / 3}, {1e-7F, 12345.678F}};
  model.network = network_of("[linear: 3, relu, linear: auto]", {2}, 4);
  model.weights = digest_of("weights");
  return model;
}

std::string fault_after(const std::string& from, const std::string& to, const Model& model = table_model()) {
  const TemporaryDirectory folder;
  write_model(model, folder.path());
  std::string text = read_file(folder.path() / model_file);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in\n" << text;
  write_file_atomically(folder.path() / model_file, text.replace(at, from.size(), to));
  try {
    read_model(folder.path());
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.yaml"), std::string::npos);
    return error.what();
  }
  return "";
}

TEST(Model, ReadsBackWhatItWrote) {
  const TemporaryDirectory folder;
  const Model model = table_model();
  write_model(model, folder.path());
  const std::string text = read_file(folder.path() / model_file);
  const Model read = read_model(folder.path());
  EXPECT_EQ(read.name, model.name);
  EXPECT_EQ(read.labels, model.labels);
  EXPECT_EQ(read.columns[0].name, "länge");
  EXPECT_EQ(read.columns[1].name, "a: b # c");
  EXPECT_EQ(read.columns[1].most, 1e-20F);
  EXPECT_EQ(read.preprocessing.offset, model.preprocessing.offset);
  EXPECT_EQ(read.preprocessing.divisor, model.preprocessing.divisor);
  EXPECT_EQ(read.weights, model.weights);
  EXPECT_EQ(read.network.parameters(), 2 * 3 + 3 + 3 * 4 + 4);
  EXPECT_FALSE(read.is_image());
  write_model(read, folder.path());
  EXPECT_EQ(read_file(folder.path() / model_file), text);
}

TEST(Model, AnImageHasARangeInsteadOfColumns) {
  const TemporaryDirectory folder;
  Model model = table_model();
  model.columns.clear();
  model.input_shape = {1, 2, 2};
  model.least = 0;
  model.most = 16;
  model.preprocessing = {Preprocessing::Kind::minmax, {0}, {16}};
  model.network = network_of("[flatten, linear: auto]", {1, 2, 2}, 4);
  write_model(model, folder.path());
  const Model read = read_model(folder.path());
  EXPECT_TRUE(read.is_image());
  EXPECT_EQ(read.most, 16);
}

// Two columns, one of them with categories, and two targets.
Model regression_model() {
  Model model = table_model();
  model.task = Task::regression;
  model.columns[1] = {"colour", 0, 2, {"red", "dark: \"blue\"", "3"}};
  model.labels = {"height", "weight"};
  model.target = {{170, 70.5F}, {10, 12}};
  model.preprocessing = {Preprocessing::Kind::minmax, {1, 0, 0, 0}, {2, 1, 1, 1}, {0, 3}};
  model.network = network_of("[linear: auto]", {4}, 2);
  return model;
}

TEST(Model, CategoriesAndTargetsReadBack) {
  const TemporaryDirectory folder;
  write_model(regression_model(), folder.path());
  const std::string text = read_file(folder.path() / model_file);
  const Model read = read_model(folder.path());
  EXPECT_EQ(read.task, Task::regression);
  EXPECT_EQ(read.columns[1].categories, regression_model().columns[1].categories);
  EXPECT_EQ(read.columns[1].most, 2);
  EXPECT_EQ(read.columns[1].category("3"), 2);
  EXPECT_EQ(read.columns[1].category("green"), -1);
  EXPECT_EQ(read.preprocessing.categories, (std::vector<std::size_t>{0, 3}));
  EXPECT_EQ(read.values(), 2U);
  EXPECT_EQ(read.encoded_values(), 4U);
  EXPECT_EQ(read.network_input(), (Shape{4}));
  EXPECT_EQ(read.target.offset, (std::vector<float>{170, 70.5F}));
  write_model(read, folder.path());
  EXPECT_EQ(read_file(folder.path() / model_file), text);
}

TEST(Model, ABinaryModelEndsWithOneValueForTwoLabels) {
  const TemporaryDirectory folder;
  Model model = table_model();
  model.task = Task::binary;
  model.labels = {"no", "yes"};
  model.network = network_of("[linear: 1]", {2}, 1);
  write_model(model, folder.path());
  EXPECT_EQ(read_model(folder.path()).network.output(), (Shape{1}));
  model.labels = {"no", "yes", "maybe"};
  write_model(model, folder.path());
  EXPECT_THROW(read_model(folder.path()), Error);
}

TEST(Model, AnImageMayBeScaledChannelByChannel) {
  const TemporaryDirectory folder;
  Model model = table_model();
  model.columns.clear();
  model.input_shape = {3, 2, 2};
  model.preprocessing = {Preprocessing::Kind::standardize, {1, 2, 3}, {4, 5, 6}};
  model.network = network_of("[flatten, linear: auto]", {3, 2, 2}, 4);
  write_model(model, folder.path());
  EXPECT_EQ(read_model(folder.path()).preprocessing.divisor, (std::vector<float>{4, 5, 6}));
}

TEST(Model, NamesWhatIsWrong) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"mlpipe-model: 1", "mlpipe-model: 2", "format 2"},
      {"mlpipe-model: 1\n", "", "not a model of mlpipe"},
      {"task: classification", "task: clustering", "one of classification, binary, regression, svm"},
      {"preprocessing:", "target: {offset: [1], divisor: [1]}\npreprocessing:", "only a regression"},
      {"shape: [2]", "shape: [3]", "3 values"},
      {"shape: [2]", "shape: [200000000, 200000000]", "no shape of an example"},
      {"- linear: 4", "- linear: 5", "5 outputs, and the data has 4 classes"},
      {"- linear: 4", "- linier: 4", "unknown layer 'linier'"},
      {"\"yes\"", "\"no\"", "twice"},
      {"1e-07", "0", "zero"},
      {"1e-07", "nan", "a number"},
      {"sha256: ", "sha256: 12", "no SHA-256"},
      {"scale: standardize", "scale: none", "the scaling has 2 offsets"},
      {"labels:", "lables:", "did you mean 'labels'?"},
  };
  for (const auto& [from, to, expected] : cases) {
    const std::string fault = fault_after(from, to);
    EXPECT_NE(fault.find(expected), std::string::npos) << from << " → " << to << "\ngot: " << fault;
  }
}

TEST(Model, NamesWhatIsWrongWithCategoriesAndTargets) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"\"red\"", "\"3\"", "the category '3' is here twice"},
      {", categories: ", ", least: 1 } #", "a column has least and most, or categories"},
      {"[\"red\", ", "[", "the scaling has 4 offsets and 4 divisors, and an example has 3 values"},
      {"divisor: [10, 12]", "divisor: [10]", "2 offsets and 1 divisors for 2 targets"},
      {"divisor: [10, 12]", "divisor: [10, 0]", "zero"},
      {"- linear: 2", "- linear: 3", "ends with 3 outputs, and the data has 2 targets"},
  };
  for (const auto& [from, to, expected] : cases) {
    const std::string fault = fault_after(from, to, regression_model());
    EXPECT_NE(fault.find(expected), std::string::npos) << from << " → " << to << "\ngot: " << fault;
  }
}

TEST(Model, AMissingFolderOrFileIsNamed) {
  const TemporaryDirectory folder;
  EXPECT_THROW(read_model(folder.path() / "nowhere"), Error);
  EXPECT_THROW(read_model(folder.path()), Error);
}

}  // namespace
}  // namespace mlpipe
