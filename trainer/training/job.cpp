#include "trainer/training/job.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ostream>

#include "pipeline/base/cores.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/network/runtime.hpp"
#include "trainer/network/torchscript.hpp"
#include "trainer/training/checkpoint.hpp"
#include "trainer/training/device.hpp"
#include "trainer/training/loop.hpp"
#include "trainer/training/model_card.hpp"
#include "trainer/training/process_group.hpp"
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
void fit_network_to(const Dataset& dataset, const Shape& input, Task task, const YamlDocument& config,
                    Network& network) {
  Diagnostics diagnostics(config);
  infer_shapes(network, input, static_cast<std::int64_t>(dataset.labels.size()), diagnostics, task);
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

// Mean and deviation of each target in the training part; a network learns numbers of that size best.
TargetScale scale_of(const Targets& targets) {
  TargetScale scale;
  const std::size_t count = targets.values.size() / targets.width;
  for (std::size_t target = 0; !targets.values.empty() && target < targets.width; ++target) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += targets.values[i * targets.width + target];
    }
    const double mean = sum / static_cast<double>(count);
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double distance = targets.values[i * targets.width + target] - mean;
      squares += distance * distance;
    }
    const auto deviation = static_cast<float>(std::sqrt(squares / static_cast<double>(count)));
    scale.offset.push_back(static_cast<float>(mean));
    scale.divisor.push_back(deviation > 0 ? deviation : 1);
  }
  return scale;
}

Model describe_model(const std::string& name, const Dataset& dataset, const Training& training) {
  Model model;
  model.name = name;
  model.task = training.task;
  model.input_shape = dataset.shape;
  model.columns = dataset.columns;
  if (dataset.is_image()) {
    model.least = dataset.least;
    model.most = dataset.most;
  }
  model.labels = dataset.labels;
  model.target = scale_of(dataset.training.targets);
  model.preprocessing = fit_preprocessing(training.data, dataset, training.network);
  return model;
}

template <typename Number>
void update(Hasher& hasher, std::span<const Number> numbers) {
  hasher.update(fmt::format("{} numbers of {} bytes\n", numbers.size(), sizeof(Number)));
  hasher.update({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
}

// Config and data: which examples there are, how they are to be answered, and what their values are like.
Digest identity_of(const YamlDocument& config, const Dataset& dataset, const Model& model) {
  Hasher hasher;
  hasher.update(to_json_text(config.root));
  hasher.update(fmt::format("\n{} {}\n", shape_text(dataset.shape), nlohmann::json(dataset.labels).dump()));
  for (const Part* part : {&dataset.training, &dataset.held_out}) {
    update<std::size_t>(hasher, part->rows);
    update<std::int64_t>(hasher, part->targets.classes);
    update<float>(hasher, part->targets.values);
  }
  update<float>(hasher, dataset.statistics.least);
  update<float>(hasher, dataset.statistics.most);
  update<double>(hasher, dataset.statistics.mean);
  update<double>(hasher, dataset.statistics.squares);
  update<float>(hasher, model.preprocessing.offset);
  update<float>(hasher, model.preprocessing.divisor);
  return hasher.finish();
}

std::optional<Checkpoints> find_checkpoints(const Digest& identity) {
  const char* folder = std::getenv("MLPIPE_CHECKPOINT_DIR");
  return folder == nullptr || *folder == '\0' ? std::nullopt : std::optional(Checkpoints(folder, identity));
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

std::string opening_line(const Dataset& dataset, const Training& training, int threads,
                         const ProcessGroup& group) {
  const Network& network = training.network;
  std::string line = fmt::format(
      "{}: {} examples to train on, {} held out, {}; {}, {} parameters; {} on {}", dataset.source,
      grouped(static_cast<std::int64_t>(dataset.training.count())),
      grouped(static_cast<std::int64_t>(dataset.held_out.count())),
      count_of(dataset.labels.size(), training.task == Task::regression ? "target" : "label"),
      count_of(network.layers.size(), "layer"), grouped(network.parameters()),
      count_of(static_cast<std::size_t>(threads), "thread"), device_name(find_device(training.device)));
  return group.size() > 1 ? fmt::format("{}, {} processes", line, group.size()) : line;
}

ProcessGroup join_group() {
  const std::optional<GroupAddress> address = GroupAddress::from_environment();
  return address ? ProcessGroup(*address) : ProcessGroup();
}

void check_shares(const Training& training, const ProcessGroup& group) {
  if (training.batch % group.size() != 0) {
    throw UsageError(
        fmt::format("a batch of {} cannot be shared equally by {} processes", training.batch, group.size()),
        fmt::format("take a batch that {} divides", group.size()));
  }
}

// The model as it was written, judged and described.
Metrics write_report(const TrainingJob& job, const Training& training, const Dataset& dataset,
                     const TrainedNetwork& trained) {
  const Predictor predictor = Predictor::load(job.model_directory);
  HeldOutFile answers(predictor.model(), dataset.held_out);
  Metrics metrics;
  metrics.held_out = evaluate(predictor, dataset.held_out, training.loss.regression,
                              [&](std::size_t first, std::span<const float> raw,
                                  std::span<const float> scores) { answers.add(first, raw, scores); });
  metrics.train_loss = trained.loss;
  metrics.epochs = trained.epochs;
  metrics.epoch = trained.epoch;
  metrics.parameters = training.network.parameters();
  metrics.train_samples = dataset.training.count();
  metrics.held_out_samples = dataset.held_out.count();
  answers.write(job.report_directory);
  write_history(trained.history, metrics.held_out.metrics.front().first, job.report_directory);
  write_confusion(predictor.model(), metrics.held_out, job.report_directory);
  write_file_atomically(job.report_directory / "model-card.md",
                        model_card(predictor.model(), training, metrics, dataset.source));
  write_metrics(metrics, job.report_directory);
  return metrics;
}

}  // namespace

std::optional<TrainingOutcome> run_training(const TrainingJob& job, const StopRequest& stop,
                                            std::ostream& out) {
  Training training = read_config(job.config);
  find_device(training.device);  // before the data is read, which may take long
  const ProcessGroup group = join_group();
  const bool first = group.rank() == 0;
  check_shares(training, group);
  if (first) {
    make_folder(job.model_directory);
    make_folder(job.report_directory);
  }
  const Dataset dataset = read_dataset(training.data, training.task);
  throw_if_stopped(stop);
  Model model = describe_model(job.name, dataset, training);
  fit_network_to(dataset, model.network_input(), training.task, job.config, training.network);
  model.network = training.network;
  const int threads = choose_threads(job, training);
  set_compute_threads(threads);
  if (first) {
    for (const std::string& left_out : dataset.skipped) {
      out << left_out << "\n";
    }
    out << opening_line(dataset, training, threads, group) << std::endl;
  }

  const std::optional<Checkpoints> checkpoints = find_checkpoints(identity_of(job.config, dataset, model));
  ProgressReport progress(out, training);
  const TrainedNetwork trained = train_network(
      {.training = training,
       .dataset = dataset,
       .preprocessing = model.preprocessing,
       .target = model.target,
       .group = group,
       .checkpoints = checkpoints ? &*checkpoints : nullptr,
       .stop = stop,
       .epoch_ended = [&](const EpochResult& epoch) { first ? progress.epoch_ended(epoch) : void(); },
       .tell = [&](const std::string& text) { out << text << std::endl; }});
  if (!first) {
    return std::nullopt;
  }
  write_artifact(model, trained.weights, job.model_directory, out);
  TrainingOutcome outcome = {write_report(job, training, dataset, trained), trained.seconds,
                             trained.seconds_beside};
  if (checkpoints) {
    checkpoints->remove();
  }
  return outcome;
}

}  // namespace mlpipe
