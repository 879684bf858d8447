#include "pipeline/model/linear_c.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/network/predictor.hpp"

namespace mlpipe {
namespace {

// Linear models, written with their weights, asked in C and through the predictor.
class LinearC : public ::testing::Test {
 protected:
  void write(Model model, const std::string& network, std::vector<NamedTensor> weights) {
    const YamlDocument document = parse_yaml("net.yaml", network);
    Diagnostics diagnostics(document);
    model.network = read_network(document.root, diagnostics);
    infer_shapes(model.network, model.network_input(), static_cast<std::int64_t>(model.labels.size()),
                 diagnostics, model.task);
    diagnostics.throw_if_any();
    model.name = "a */ name";
    write_safetensors(folder_.path() / weights_file, weights);
    model.weights = digest_of_file(folder_.path() / weights_file);
    write_model(model, folder_.path());
  }

  std::string as_c() const {
    return linear_model_as_c(read_model(folder_.path()), read_safetensors(folder_.path() / weights_file));
  }

  // What the compiled file says of each row, or why it did not compile.
  std::vector<std::string> answers_in_c(const std::vector<float>& rows) {
    const std::size_t values = read_model(folder_.path()).values();
    std::string numbers;
    for (const float value : rows) {
      numbers += number_text(value) + "\n";
    }
    write_file_atomically(folder_.path() / "model.c", as_c());
    write_file_atomically(folder_.path() / "ask.c",
                          fmt::format("#include <stdio.h>\n"
                                      "int predict(const float x[{0}]);\nextern const char *const labels[];\n"
                                      "int main(void) {{\n  float x[{0}];\n"
                                      "  for (;;) {{\n    for (int i = 0; i < {0}; ++i)\n"
                                      "      if (scanf(\"%f\", &x[i]) != 1) return 0;\n"
                                      "    puts(labels[predict(x)]);\n  }}\n}}\n",
                                      values));
    Command compile;
    compile.arguments = {"cc",        "-std=c99", "-Wall", "-Wextra", "-Werror",
                         "-pedantic", "model.c",  "ask.c", "-o",      "ask"};
    compile.work_directory = folder_.path();
    const Captured compiled = run_and_capture(compile);
    if (!compiled.ending.succeeded()) {
      return {compiled.error};
    }
    Command ask;
    ask.arguments = {(folder_.path() / "ask").string()};
    return split(trim(run_and_capture(ask, numbers).output), '\n');
  }

  std::vector<std::string> answers_of_predictor(const std::vector<float>& rows) const {
    const Predictor predictor = Predictor::load(folder_.path());
    const std::vector<std::string>& labels = predictor.model().labels;
    const std::vector<float> scores = predictor.predict(rows, rows.size() / predictor.model().values());
    std::vector<std::string> answers;
    for (auto row = scores.begin(); row != scores.end(); row += static_cast<std::ptrdiff_t>(labels.size())) {
      const auto end = row + static_cast<std::ptrdiff_t>(labels.size());
      answers.push_back(labels[static_cast<std::size_t>(std::max_element(row, end) - row)]);
    }
    return answers;
  }

  void expect_same_answers(const std::vector<float>& rows) {
    const std::vector<std::string> expected = answers_of_predictor(rows);
    EXPECT_EQ(answers_in_c(rows), expected);
    EXPECT_GT(std::count_if(expected.begin(), expected.end(),
                            [&](const std::string& answer) { return answer != expected.front(); }),
              0)
        << "the rows must have several answers to tell anything";
  }

  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TemporaryDirectory folder_;
};

std::vector<float> iris_rows() {
  std::vector<float> rows;
  const std::vector<std::string> lines = split(trim(read_file(MLPIPE_EXAMPLES "/iris/data/iris.csv")), '\n');
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = split(lines[i], ',');
    for (std::size_t column = 0; column < 4; ++column) {
      rows.push_back(std::strtof(fields[column].c_str(), nullptr));
    }
  }
  return rows;
}

TEST_F(LinearC, AnswersAsThePredictorOnTrainedIrises) {
  write_file_atomically(folder() / "train.yaml",
                        "data: { csv: " MLPIPE_EXAMPLES
                        "/iris/data/iris.csv, target: species }\n"
                        "network: linear\noptimizer: { adam: { lr: 0.05 } }\nepochs: 10\n");
  Command train;
  train.arguments = {MLPIPE_TRAIN, "--config", "train.yaml", "--name",    "iris", "--model",
                     folder(),     "--report", "report",     "--threads", "1"};
  train.work_directory = folder();
  const Captured trained = run_and_capture(train);
  ASSERT_TRUE(trained.ending.succeeded()) << trained.error;
  expect_same_answers(iris_rows());
}

TEST_F(LinearC, EncodesCategoriesAndChoosesBetweenTwoLabels) {
  Model model;
  model.task = Task::binary;
  model.input_shape = {2};
  model.columns = {{"length */ \n", 0, 9}, {"colour", 0, 2, {"red", "green", "blue"}}};
  model.labels = {"no \"?\?/ tricks", "ja, ö\\n"};
  model.preprocessing = {Preprocessing::Kind::standardize, {4, 0, 0, 0.25}, {2, 1, 1, 0.5}, {0, 3}};
  write(model, "[flatten, linear: auto]",
        {{"1.weight", {1, 4}, {1.5F, -2, 0.1F, 1e-9F}}, {"1.bias", {1}, {0.125F}}});
  expect_same_answers({0, 0, 9, 0, 5, 1, 3, 2, 3.5F, -1, 8, 2, 6, 0, 5.25F, 0});
}

TEST_F(LinearC, ScalesAnImageChannelByChannel) {
  Model model;
  model.task = Task::svm;
  model.input_shape = {2, 1, 2};
  model.labels = {"a", "b", "c"};
  model.preprocessing = {Preprocessing::Kind::minmax, {1, 100}, {2, 50}};
  write(model, "[flatten, linear: auto]",
        {{"1.weight", {3, 4}, {1, 0, -1, 0, 0, 1, 0, -1, -1, 0, 0, 1}}, {"1.bias", {3}, {0, 0, 0.5F}}});
  expect_same_answers({9, 1, 100, 100, 1, 9, 100, 100, 1, 1, 100, 300});
}

TEST_F(LinearC, RefusesWhatIsNotLinear) {
  const auto fault = [&](Task task, const std::string& network, std::vector<NamedTensor> weights) {
    Model model;
    model.task = task;
    model.input_shape = {1};
    model.labels = {"a", "b"};
    write(model, network, std::move(weights));
    try {
      as_c();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const NamedTensor bias = {"0.bias", {2}, {0, 0}};
  EXPECT_NE(fault(Task::svm, "[linear: 2, relu, linear: auto]", {bias}).find("layer 1 is linear"),
            std::string::npos);
  EXPECT_NE(fault(Task::regression, "[linear: auto]", {bias}).find("regression"), std::string::npos);
  EXPECT_NE(fault(Task::svm, "[linear: auto]", {bias}).find("no '0.weight' of shape [2, 1]"),
            std::string::npos);
}

}  // namespace
}  // namespace mlpipe
