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

Examples take_rows(const std::vector<float>& values, const std::vector<std::int64_t>& classes,
                   const std::vector<std::size_t>& rows, std::size_t per_example) {
  Examples examples;
  examples.values.reserve(rows.size() * per_example);
  for (const std::size_t row : rows) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(row * per_example);
    examples.values.insert(examples.values.end(), first, first + static_cast<std::ptrdiff_t>(per_example));
    examples.classes.push_back(classes[row]);
  }
  examples.rows = rows;
  return examples;
}

std::vector<std::size_t> all_rows(std::size_t count) {
  std::vector<std::size_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i] = i;
  }
  return rows;
}

void split_by_seed(Dataset& dataset, const RawData& raw, const Split& split) {
  const std::vector<std::int64_t> classes = classes_of(raw.examples.labels, dataset.labels, raw.source);
  const std::vector<std::size_t> held_out = choose_held_out(classes, dataset.labels.size(), split);
  const std::vector<std::size_t> rows = all_rows(classes.size());
  std::vector<std::size_t> training;
  std::set_difference(rows.begin(), rows.end(), held_out.begin(), held_out.end(),
                      std::back_inserter(training));
  dataset.training = take_rows(raw.examples.values, classes, training, dataset.values());
  dataset.held_out = take_rows(raw.examples.values, classes, held_out, dataset.values());
  if (dataset.held_out.count() == 0) {
    throw UsageError(fmt::format("{}: of its {} examples, a share of {} holds out none", raw.source,
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

Dataset read_dataset(const TrainingData& data) {
  RawData raw = std::visit(ReadSource{!data.split}, data.source);
  Dataset dataset;
  dataset.source = raw.source;
  dataset.shape = data.shape.value_or(raw.shape);
  if (element_count(dataset.shape) != element_count(raw.shape)) {
    throw UsageError(fmt::format("{}: an example has {} values, and data.shape {} asks for {}", raw.source,
                                 element_count(raw.shape), shape_text(dataset.shape),
                                 element_count(dataset.shape)));
  }
  dataset.columns = column_names(raw, dataset.shape);
  dataset.labels = sorted_labels(raw.examples.labels);
  for (const std::string& column : dataset.columns) {
    require_utf8(column, raw.source, "column");
  }
  for (const std::string& label : dataset.labels) {
    require_utf8(label, raw.source, "label");
  }
  if (dataset.labels.size() < 2) {
    throw UsageError(fmt::format("{}: every example has the label '{}', so there is nothing to tell apart",
                                 raw.source, printable(dataset.labels.front())));
  }
  if (raw.test) {
    dataset.training.classes = classes_of(raw.examples.labels, dataset.labels, raw.source);
    dataset.training.rows = all_rows(dataset.training.count());
    dataset.training.values = std::move(raw.examples.values);
    dataset.held_out.classes = classes_of(raw.test->labels, dataset.labels, raw.source);
    dataset.held_out.rows = all_rows(dataset.held_out.count());
    dataset.held_out.values = std::move(raw.test->values);
  } else {
    split_by_seed(dataset, raw, data.split.value_or(Split{}));
  }
  return dataset;
}

Preprocessing fit_preprocessing(Preprocessing::Kind kind, const std::vector<float>& values,
                                std::size_t values_per_example, bool one_for_all) {
  Preprocessing preprocessing;
  preprocessing.kind = kind;
  if (kind == Preprocessing::Kind::none) {
    return preprocessing;
  }
  const std::size_t groups = one_for_all ? 1 : values_per_example;
  const std::size_t values_per_group = values.size() / groups;
  const auto count = static_cast<double>(values_per_group);
  std::vector<double> sum(groups, 0);
  std::vector<float> least(groups, std::numeric_limits<float>::max());
  std::vector<float> most(groups, std::numeric_limits<float>::lowest());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t group = i % groups;
    sum[group] += values[i];
    least[group] = std::min(least[group], values[i]);
    most[group] = std::max(most[group], values[i]);
  }
  std::vector<double> squares(groups, 0);  // of the distance from the mean: sums of plain squares lose digits
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double distance = values[i] - sum[i % groups] / count;
    squares[i % groups] += distance * distance;
  }
  for (std::size_t group = 0; group < groups; ++group) {
    const bool standardize = kind == Preprocessing::Kind::standardize;
    const double offset = standardize ? sum[group] / count : least[group];
    const double divisor =
        standardize ? std::sqrt(squares[group] / count) : static_cast<double>(most[group]) - least[group];
    const bool varies = most[group] > least[group] && static_cast<float>(divisor) > 0 &&
                        divisor <= std::numeric_limits<float>::max();
    preprocessing.offset.push_back(static_cast<float>(offset));
    preprocessing.divisor.push_back(varies ? static_cast<float>(divisor) : 1.0F);
  }
  return preprocessing;
}

}  // namespace mlpipe
