#include "trainer/data/fit_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/labels.hpp"

namespace mlpipe {
namespace {

constexpr float unknown = -1;

// What the training rows say about a column.
struct Seen {
  std::vector<bool> words;
  double sum = 0;
  std::size_t count = 0;
};

std::vector<Seen> look_at(StoredTable& table, const std::vector<Feature>& features,
                          std::span<const std::size_t> rows) {
  std::vector<Seen> seen(features.size());
  for (std::size_t column = 0; column < features.size(); ++column) {
    seen[column].words.resize(features[column].words.words().size());
  }
  for (const std::size_t row : rows) {
    const std::span<const float> values = table.row(row);
    for (std::size_t column = 0; column < features.size(); ++column) {
      if (std::isnan(values[column])) {
        continue;
      }
      ++seen[column].count;
      if (seen[column].words.empty()) {
        seen[column].sum += values[column];
      } else {
        seen[column].words[static_cast<std::size_t>(values[column])] = true;
      }
    }
  }
  return seen;
}

// What becomes of the values of a column.
struct Change {
  std::vector<float> words;  // a word's number, by its first one; empty: numbers stay
  float missing = 0;

  float operator()(float value) const {
    if (std::isnan(value)) {
      return missing;
    }
    return words.empty() ? value : words[static_cast<std::size_t>(value)];
  }
};

Change change_of(const Feature& feature, const Seen& seen, MissingValues missing, Column& column,
                 const std::string& file) {
  Change change;
  const std::vector<std::string>& words = feature.words.words();
  if (!words.empty()) {
    for (std::size_t word = 0; word < words.size(); ++word) {
      if (seen.words[word]) {
        require_utf8(words[word], file, "category");
        column.categories.push_back(words[word]);
      }
    }
    sort_labels(column.categories);
    for (const std::string& word : words) {
      const auto found = std::find(column.categories.begin(), column.categories.end(), word);
      change.words.push_back(
          found == column.categories.end() ? unknown : static_cast<float>(found - column.categories.begin()));
    }
    change.missing = unknown;
  } else if (missing == MissingValues::mean && feature.misses_some) {
    if (seen.count == 0) {
      throw UsageError(
          fmt::format("{}: the column '{}' has no value to take the mean of in the training part", file,
                      printable(feature.name)),
          "leave it out with data.drop");
    }
    change.missing = static_cast<float>(seen.sum / static_cast<double>(seen.count));
  }
  return change;
}

}  // namespace

void StoredTable::read(std::span<const std::size_t> examples, std::span<float> values) const {
  const std::size_t size = columns_ * sizeof(float);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    std::memcpy(values.data() + i * columns_, stored_.bytes.data() + examples[i] * size, size);
  }
}

std::span<float> StoredTable::row(std::size_t row) {
  return std::span(reinterpret_cast<float*>(stored_.bytes.data()) + row * columns_, columns_);
}

void fit_table(StoredTable& table, const std::vector<Feature>& features, MissingValues missing,
               std::span<const std::size_t> rows, const std::string& file, std::vector<Column>& columns) {
  const bool changes = std::any_of(features.begin(), features.end(), [](const Feature& feature) {
    return feature.misses_some || !feature.words.words().empty();
  });
  if (!changes) {
    return;
  }
  const std::vector<Seen> seen = look_at(table, features, rows);
  std::vector<Change> change;
  for (std::size_t column = 0; column < features.size(); ++column) {
    change.push_back(change_of(features[column], seen[column], missing, columns[column], file));
  }
  for (std::size_t row = 0; row < table.count(); ++row) {
    const std::span<float> values = table.row(row);
    for (std::size_t column = 0; column < values.size(); ++column) {
      values[column] = change[column](values[column]);
    }
  }
}

}  // namespace mlpipe
