#include "trainer/training/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/network/runtime.hpp"
#include "trainer/network/torchscript.hpp"
#include "trainer/training/loop.hpp"
#include "trainer/training/progress.hpp"

namespace mlpipe {
namespace {

Training read_config(const YamlDocument& config) {
  Diagnostics diagnostics(config);
  if (holds_expression(config.root)) {
    diagnostics.add(config.root, "it holds ${{ }} expressions, which only `mlpipe run` gives values",
                    "write the values themselves when you call mlpipe-train by hand");
  }
  Training training = read_training(config.root, diagnostics);
  diagnostics.throw_if_any();
  return training;
}

// Now that the data says how large an example is and how many classes there are.
void fit_network_to(const Dataset& dataset, const YamlDocument& config, Network& network) {
  Diagnostics diagnostics(config);
  infer_shapes(network, dataset.shape, static_cast<std::int64_t>(dataset.labels.size()), diagnostics);
  diagnostics.throw_if_any();
}

// Threads that share little work wait for each other more than they compute: far more on a machine that is
// busy with other things. The choice hangs on the network and the cores alone, so that the same request gives
// the same bytes.
int choose_threads(const TrainingJob& job, const Training& training) {
  constexpr double worth_sharing = 256e6;
  if (training.threads) {
    return static_cast<int>(*training.threads);
  }
  const bool small = training.network.multiplications() * static_cast<double>(training.batch) < worth_sharing;
  return small ? 1 : job.cores.value_or(available_cores());
}

std::vector<float> scaled(const Preprocessing& preprocessing, const Examples& examples, std::size_t values) {
  std::vector<float> result(examples.values.size());
  preprocessing.apply(examples.values, result, values);
  return result;
}

Model describe_model(const std::string& name, const Dataset& dataset, const Network& network) {
  Model model;
  model.name = name;
  model.input_shape = dataset.shape;
  model.columns = dataset.columns;
  if (dataset.is_image()) {
    model.least = dataset.least;
    model.most = dataset.most;
  }
  model.labels = dataset.labels;
  model.network = network;
  return model;
}

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw Error(fmt::format("making the folder {}: {}", path.string(),
                            error ? error.message() : "there is something else with this name"));
  }
}

// The weights first: model.yaml names their digest, so a folder with a model.yaml is complete.
void write_artifact(Model& model, const std::vector<NamedTensor>& weights,
                    const std::filesystem::path& directory, std::ostream& out) {
  if (const auto reason = write_torchscript(model.network, weights, directory / torchscript_file)) {
    out << fmt::format("no {}: this libtorch cannot write TorchScript: {}", torchscript_file, *reason)
        << std::endl;
  }
  write_safetensors(directory / weights_file, weights);
  model.weights = digest_of_file(directory / weights_file);
  write_model(model, directory);
}

std::string opening_line(const Dataset& dataset, const Network& network, int threads) {
  return fmt::format("{}: {} examples to train on, {} held out, {} labels; {} layers, {} parameters; {}",
                     dataset.source, grouped(static_cast<std::int64_t>(dataset.training.count())),
                     grouped(static_cast<std::int64_t>(dataset.held_out.count())), dataset.labels.size(),
                     network.layers.size(), grouped(network.parameters()),
                     count_of(static_cast<std::size_t>(threads), "thread"));
}

}  // namespace

Metrics run_training(const TrainingJob& job, const StopRequest& stop, std::ostream& out) {
  Training training = read_config(job.config);
  make_folder(job.model_directory);
  make_folder(job.report_directory);
  const Dataset dataset = read_dataset(training.data, Task::classification);
  throw_if_stopped(stop);
  fit_network_to(dataset, job.config, training.network);
  const int threads = choose_threads(job, training);
  set_compute_threads(threads);
  out << opening_line(dataset, training.network, threads) << std::endl;

  Model model = describe_model(job.name, dataset, training.network);
  model.preprocessing = fit_preprocessing(training.data, dataset);
  const Examples examples = read_examples(dataset.training, dataset.values());
  const Examples held_out_examples = read_examples(dataset.held_out, dataset.values());
  const std::vector<float> inputs = scaled(model.preprocessing, examples, dataset.values());
  const std::vector<float> held_out = scaled(model.preprocessing, held_out_examples, dataset.values());
  ProgressReport progress(out, training.epochs);
  const TrainedNetwork trained =
      train_network(training, {inputs, examples.classes}, {held_out, held_out_examples.classes}, stop,
                    [&](const EpochResult& epoch) { progress.epoch_ended(epoch); });

  write_artifact(model, trained.weights, job.model_directory, out);
  const Predictor predictor = Predictor::load(job.model_directory);
  const Evaluation evaluation = evaluate(predictor, held_out_examples);
  write_held_out(model, held_out_examples, evaluation, job.report_directory);
  const Metrics metrics = {
      evaluation.accuracy,        evaluation.loss,          trained.last.loss,       training.epochs,
      model.network.parameters(), dataset.training.count(), dataset.held_out.count()};
  write_metrics(metrics, job.report_directory);
  return metrics;
}

}  // namespace mlpipe
