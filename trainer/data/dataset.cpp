#include "trainer/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/raw_data.hpp"
#include "trainer/data/split.hpp"
#include "trainer/data/stored_bytes.hpp"

namespace mlpipe {
namespace {

int processors() {
  constexpr int most = 16;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, most);
}

RawData read_source(const TrainingData& data, Task task) {
  ReadOptions options;
  options.task = task;
  options.with_test = !data.split;
  options.split_by = data.split ? data.split->by : "";
  options.memory = static_cast<std::size_t>(data.memory.value_or(default_memory_limit()));
  options.workers = static_cast<int>(data.workers.value_or(processors()));
  struct Read {
    const ReadOptions& options;
    RawData operator()(const CsvSource& source) const { return read_csv(source, options); }
    RawData operator()(const IdxSource& source) const { return read_idx(source, options); }
    RawData operator()(const NpzSource& source) const { return read_npz(source, options); }
    RawData operator()(const SafetensorsSource& source) const { return read_tensors(source, options); }
    RawData operator()(const FolderSource& source) const { return read_folder(source, options); }
  };
  return std::visit(Read{options}, data.source);
}

void take_shape(const TrainingData& data, const RawData& raw, Dataset& dataset) {
  dataset.shape = data.shape.value_or(raw.shape);
  if (element_count(dataset.shape) != element_count(raw.shape)) {
    throw UsageError(fmt::format("{}: an example has {} values, and data.shape {} asks for {}", raw.source,
                                 element_count(raw.shape), shape_text(dataset.shape),
                                 element_count(dataset.shape)));
  }
  if (data.augment && !dataset.is_image()) {
    throw UsageError(
        fmt::format("{}: an example has the shape {}, and only images, [channels, height, width], "
                    "can be augmented",
                    raw.source, shape_text(dataset.shape)),
        "take out data.augment, or say the shape with data.shape");
  }
}

void take_columns(RawData& raw, Dataset& dataset) {
  dataset.columns = std::move(raw.columns);
  if (dataset.columns.empty() && !dataset.is_image()) {
    for (std::size_t i = 0; i < dataset.values(); ++i) {  // arrays do not name them
      dataset.columns.push_back({fmt::format("x{}", i), 0, 0});
    }
  }
  if (raw.fit) {
    raw.fit(dataset.training.rows, dataset.columns);
  }
  if (!dataset.is_image()) {
    return;
  }
  for (const Column& column : dataset.columns) {
    if (!column.categories.empty()) {
      throw UsageError(fmt::format("{}: the column '{}' holds words, which are no pixels of an image",
                                   raw.source, printable(column.name)),
                       "take out data.shape, or leave the column out with data.drop");
    }
  }
  dataset.columns.clear();
}

void require_labels(const Dataset& dataset, Task task) {
  constexpr std::size_t shown = 8;
  if (task == Task::regression) {
    return;
  }
  if (dataset.labels.size() == 1) {
    throw UsageError(fmt::format("{}: every example has the label '{}', so there is nothing to tell apart",
                                 dataset.source, printable(dataset.labels.front())));
  }
  if (task == Task::binary && dataset.labels.size() != 2) {
    std::vector<std::string> first(
        dataset.labels.begin(),
        dataset.labels.begin() + static_cast<std::ptrdiff_t>(std::min(shown, dataset.labels.size())));
    throw UsageError(fmt::format("{}: binary tells two labels apart, and there are {}: {}{}", dataset.source,
                                 dataset.labels.size(), printable(join(first, ", ")),
                                 first.size() < dataset.labels.size() ? ", …" : ""),
                     "write task: classification");
  }
}

// A network cannot learn what it is never shown.
void require_trained_labels(const Dataset& dataset) {
  std::vector<bool> trained(dataset.labels.size());
  for (const std::int64_t label : dataset.training.targets.classes) {
    trained[static_cast<std::size_t>(label)] = true;
  }
  for (const std::int64_t label : dataset.held_out.targets.classes) {
    if (!trained[static_cast<std::size_t>(label)]) {
      throw UsageError(fmt::format("{}: the test part has the label '{}', which the training part has not",
                                   dataset.source,
                                   printable(dataset.labels[static_cast<std::size_t>(label)])));
    }
  }
}

void split_by_seed(Dataset& dataset, const Part& all, const Split& split) {
  const bool by_label = split.stratify && !all.targets.classes.empty();
  const std::vector<std::size_t> held_out =
      by_label ? choose_held_out(all.targets.classes, dataset.labels.size(), split)
               : choose_held_out(all.count(), split);
  std::vector<std::size_t> positions(all.count());
  std::iota(positions.begin(), positions.end(), 0);
  std::vector<std::size_t> training;
  std::set_difference(positions.begin(), positions.end(), held_out.begin(), held_out.end(),
                      std::back_inserter(training));
  dataset.training = take(all, training);
  dataset.held_out = take(all, held_out);
  if (held_out.empty()) {
    throw UsageError(fmt::format("{}: of its {} examples, a share of {} holds out none", dataset.source,
                                 all.count(), split.test),
                     "hold out more with data.split.test, or bring more examples");
  }
}

void require_examples(const Dataset& dataset) {
  for (const auto& [part, name] :
       {std::pair(&dataset.training, "train"), std::pair(&dataset.held_out, "test")}) {
    if (part->count() == 0) {
      throw UsageError(
          fmt::format("{}: there is no example to {} with", dataset.source, name),
          "the column that data.split.by names must say train for some rows and test for others");
    }
  }
}

// What nobody has looked at before is looked at here, held-out examples too: a value that is no number would
// make every score one.
void look_at_values(const TrainingData& data, const RawData& raw, Dataset& dataset) {
  const bool needs_all = data.scale == Preprocessing::Kind::standardize;
  if (raw.range && !needs_all) {
    dataset.least = raw.range->first;
    dataset.most = raw.range->second;
    const auto groups = static_cast<std::size_t>(dataset.shape.front());
    dataset.statistics = {0, std::vector(groups, dataset.least), std::vector(groups, dataset.most),
                          std::vector<double>(groups), std::vector<double>(groups)};
    return;
  }
  const int workers = raw.is_decoded ? static_cast<int>(data.workers.value_or(processors())) : 0;
  const auto look = [&](const Part& part) {
    return statistics_of(*part.examples, part.rows, dataset.shape, part.name, workers);
  };
  dataset.statistics = look(dataset.training);
  if (!raw.range) {
    look(dataset.held_out);
  }
  for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
    dataset.columns[i].least = dataset.statistics.least[i];
    dataset.columns[i].most = dataset.statistics.most[i];
  }
  if (dataset.is_image()) {
    const Statistics pixels = dataset.statistics.together();
    dataset.least = pixels.least[0];
    dataset.most = pixels.most[0];
  }
}

}  // namespace

Dataset read_dataset(const TrainingData& data, Task task) {
  RawData raw = read_source(data, task);
  Dataset dataset;
  dataset.source = raw.source;
  dataset.labels = raw.labels;
  dataset.skipped = raw.skipped;
  dataset.is_decoded = raw.is_decoded;
  take_shape(data, raw, dataset);
  require_labels(dataset, task);
  if (raw.test) {
    dataset.training = std::move(raw.all);
    dataset.held_out = std::move(*raw.test);
    require_examples(dataset);
  } else {
    split_by_seed(dataset, raw.all, data.split.value_or(Split{}));
  }
  require_trained_labels(dataset);
  take_columns(raw, dataset);
  look_at_values(data, raw, dataset);
  return dataset;
}

int loader_workers(const TrainingData& data, const Dataset& dataset) {
  if (data.workers) {
    return static_cast<int>(*data.workers);
  }
  if (dataset.is_decoded) {
    return processors();
  }
  return data.augment ? 1 : 0;
}

}  // namespace mlpipe
