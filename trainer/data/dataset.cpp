#include "trainer/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {
namespace {

struct ReadSource {
  bool with_test;
  RawData operator()(const CsvSource& source) const { return read_csv(source); }
  RawData operator()(const IdxSource& source) const { return read_idx(source); }
  RawData operator()(const NpzSource& source) const { return read_npz(source, with_test); }
};

// What is no UTF-8 could be written neither to model.yaml nor to a JSON answer.
void require_utf8(const std::string& text, const std::string& source, const char* what) {
  try {
    nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw UsageError(fmt::format("{}: the {} '{}' is no UTF-8 text", source, what, printable(text)),
                     "convert the file, for example with iconv");
  }
}

std::vector<std::string> sorted_labels(const std::vector<std::string>& labels) {
  std::vector<std::string> sorted = labels;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  const bool numbers = std::all_of(sorted.begin(), sorted.end(),
                                   [](const std::string& label) { return parse_number(label).has_value(); });
  if (numbers) {
    std::stable_sort(sorted.begin(), sorted.end(), [](const std::string& a, const std::string& b) {
      return *parse_number(a) < *parse_number(b);
    });
  }
  return sorted;
}

std::vector<std::int64_t> classes_of(const std::vector<std::string>& labels,
                                     const std::vector<std::string>& known, const std::string& source) {
  std::unordered_map<std::string, std::int64_t> index;
  for (const std::string& label : known) {
    index.emplace(label, static_cast<std::int64_t>(index.size()));
  }
  std::vector<std::int64_t> classes;
  classes.reserve(labels.size());
  for (const std::string& label : labels) {
    const auto found = index.find(label);
    if (found == index.end()) {
      throw UsageError(fmt::format("{}: the test part has the label '{}', which the training part has not",
                                   source, printable(label)));
    }
    classes.push_back(found->second);
  }
  return classes;
}

std::vector<std::size_t> all_rows(std::size_t count) {
  std::vector<std::size_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i] = i;
  }
  return rows;
}

Part take_rows(std::shared_ptr<const ExampleSource> examples, const std::vector<std::int64_t>& classes,
               std::vector<std::size_t> rows, const std::string& name) {
  Part part;
  part.examples = std::move(examples);
  for (const std::size_t row : rows) {
    part.targets.classes.push_back(classes[row]);
  }
  part.rows = std::move(rows);
  part.name = name;
  return part;
}

void split_by_seed(Dataset& dataset, const std::shared_ptr<const ExampleSource>& examples,
                   const std::vector<std::int64_t>& classes, const Split& split) {
  const std::vector<std::size_t> held_out = choose_held_out(classes, dataset.labels.size(), split);
  const std::vector<std::size_t> rows = all_rows(classes.size());
  std::vector<std::size_t> training;
  std::set_difference(rows.begin(), rows.end(), held_out.begin(), held_out.end(),
                      std::back_inserter(training));
  dataset.training = take_rows(examples, classes, std::move(training), dataset.source);
  dataset.held_out = take_rows(examples, classes, held_out, dataset.source);
  if (dataset.held_out.count() == 0) {
    throw UsageError(fmt::format("{}: of its {} examples, a share of {} holds out none", dataset.source,
                                 classes.size(), split.test),
                     "hold out more with data.split.test, or bring more examples");
  }
}

// Tables from arrays have no names of their own.
std::vector<std::string> column_names(RawData& raw, const Shape& shape) {
  if (shape.size() == 3) {
    return {};
  }
  if (raw.columns.empty()) {
    for (std::size_t i = 0; i < element_count(shape); ++i) {
      raw.columns.push_back(fmt::format("x{}", i));
    }
  }
  return std::move(raw.columns);
}

void shuffle(std::vector<std::size_t>& rows, std::mt19937_64& random) {
  for (std::size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[random() % i]);  // std::shuffle's order is each library's own
  }
}

}  // namespace

std::vector<std::size_t> choose_held_out(const std::vector<std::int64_t>& classes, std::size_t class_count,
                                         const Split& split) {
  std::vector<std::vector<std::size_t>> by_class(class_count);
  for (std::size_t row = 0; row < classes.size(); ++row) {
    by_class[static_cast<std::size_t>(classes[row])].push_back(row);
  }
  std::mt19937_64 random(split.seed);
  std::vector<std::size_t> held_out;
  for (std::vector<std::size_t>& rows : by_class) {
    shuffle(rows, random);
    const auto share = static_cast<std::size_t>(std::lround(static_cast<double>(rows.size()) * split.test));
    const std::size_t count = rows.empty() ? 0 : std::min(share, rows.size() - 1);
    held_out.insert(held_out.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::sort(held_out.begin(), held_out.end());
  return held_out;
}

Dataset read_dataset(const TrainingData& data, Task) {
  RawData raw = std::visit(ReadSource{!data.split}, data.source);
  Dataset dataset;
  dataset.source = raw.source;
  dataset.shape = data.shape.value_or(raw.shape);
  if (element_count(dataset.shape) != element_count(raw.shape)) {
    throw UsageError(fmt::format("{}: an example has {} values, and data.shape {} asks for {}", raw.source,
                                 element_count(raw.shape), shape_text(dataset.shape),
                                 element_count(dataset.shape)));
  }
  for (std::string& name : column_names(raw, dataset.shape)) {
    dataset.columns.push_back({std::move(name), 0, 0, {}});
  }
  dataset.labels = sorted_labels(raw.examples.labels);
  for (const Column& column : dataset.columns) {
    require_utf8(column.name, raw.source, "column");
  }
  for (const std::string& label : dataset.labels) {
    require_utf8(label, raw.source, "label");
  }
  if (dataset.labels.size() < 2) {
    throw UsageError(fmt::format("{}: every example has the label '{}', so there is nothing to tell apart",
                                 raw.source, printable(dataset.labels.front())));
  }
  const std::vector<std::int64_t> classes = classes_of(raw.examples.labels, dataset.labels, raw.source);
  const auto examples = in_memory(std::move(raw.examples.values), dataset.values());
  if (raw.test) {
    dataset.training = take_rows(examples, classes, all_rows(classes.size()), raw.source);
    const auto test_classes = classes_of(raw.test->labels, dataset.labels, raw.source);
    dataset.held_out = take_rows(in_memory(std::move(raw.test->values), dataset.values()), test_classes,
                                 all_rows(test_classes.size()), raw.source);
  } else {
    split_by_seed(dataset, examples, classes, data.split.value_or(Split{}));
  }
  dataset.statistics =
      statistics_of(*dataset.training.examples, dataset.training.rows, dataset.shape, raw.source);
  for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
    dataset.columns[i].least = dataset.statistics.least[i];
    dataset.columns[i].most = dataset.statistics.most[i];
  }
  if (dataset.is_image()) {
    const Statistics pixels = dataset.statistics.together();
    dataset.least = pixels.least[0];
    dataset.most = pixels.most[0];
  }
  return dataset;
}

Preprocessing fit_preprocessing(const TrainingData& data, const Dataset& dataset) {
  using Kind = Preprocessing::Kind;
  Preprocessing preprocessing;
  preprocessing.kind = data.scale.value_or(dataset.is_image() ? Kind::minmax : Kind::standardize);
  if (preprocessing.kind == Kind::none) {
    return preprocessing;
  }
  const Statistics fitted = dataset.is_image() ? dataset.statistics.together() : dataset.statistics;
  for (std::size_t group = 0; group < fitted.groups(); ++group) {
    const bool standardize = preprocessing.kind == Kind::standardize;
    const float least = fitted.least[group];
    const float most = fitted.most[group];
    const double divisor = standardize ? std::sqrt(fitted.squares[group] / static_cast<double>(fitted.count))
                                       : static_cast<double>(most) - least;
    const bool varies =
        most > least && static_cast<float>(divisor) > 0 && divisor <= std::numeric_limits<float>::max();
    preprocessing.offset.push_back(standardize ? static_cast<float>(fitted.mean[group]) : least);
    preprocessing.divisor.push_back(varies ? static_cast<float>(divisor) : 1.0F);
  }
  return preprocessing;
}

}  // namespace mlpipe
