#include "trainer/summary.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "pipeline/base/error.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/data/dataset.hpp"
#include "trainer/network_table.hpp"

namespace mlpipe {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_wrong_request = 2;
constexpr std::int64_t largest_size = 1'000'000;

struct Request {
  std::string config;
  Shape input;
  std::optional<std::int64_t> labels;
};

struct Summary {
  Network network;
  Shape input;  // what the network takes
};

// The shape is the request's, else the config's, else the data's own, and then the data also says how many
// labels there are.
Summary summarize(const Request& request) {
  const YamlDocument config = read_yaml_file(request.config);
  Diagnostics diagnostics(config);
  Training training = read_training(config.root, diagnostics);
  diagnostics.throw_if_any();
  const YamlNode* word = config.root.find("task");
  const Task task =
      word == nullptr ? Task::classification : task_named(word->scalar).value_or(Task::classification);
  Shape input = request.input.empty() ? training.data.shape.value_or(Shape{}) : request.input;
  std::optional<std::int64_t> labels = request.labels;
  if (input.empty()) {
    const Dataset dataset = read_dataset(training.data, task);
    Model model;
    model.input_shape = dataset.shape;
    if (!training.network.index_count()) {
      model.preprocessing.categories = category_counts(dataset.columns);
    }
    input = model.network_input();
    labels = static_cast<std::int64_t>(dataset.labels.size());
  }
  infer_shapes(training.network, input, labels, diagnostics, task);
  diagnostics.throw_if_any();
  return {std::move(training.network), std::move(input)};
}

int fail(const Error& error, int status) {
  std::cerr << "mlpipe-train summary: " << error.what() << "\n";
  if (!error.hint().empty()) {
    std::cerr << "  " << error.hint() << "\n";
  }
  return status;
}

}  // namespace

int summary_main(int argc, char** argv) {
  CLI::App app{"Prints the network of a config as a table: its layers, their outputs and parameters."};
  app.name("mlpipe-train summary");
  Request request;
  app.add_option("--config", request.config, "file with the mapping train: takes, YAML or JSON")->required();
  app.add_option("--input", request.input,
                 "the shape of one example, as in 1,28,28; else data.shape, else the data is read")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{1}, largest_size));
  app.add_option("--labels", request.labels, "how many labels (regression: targets) there are")
      ->check(CLI::Range(std::int64_t{1}, largest_size));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_wrong_request;
  }
  try {
    const Summary summary = summarize(request);
    std::cout << network_table(summary.network, summary.input);
    return 0;
  } catch (const SpecError& error) {
    std::cerr << error.what() << "\n";
    return exit_wrong_request;
  } catch (const UsageError& error) {
    return fail(error, exit_wrong_request);
  } catch (const Error& error) {
    return fail(error, exit_failed);
  }
}

}  // namespace mlpipe
