#include "trainer/data/csv_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/fit_table.hpp"
#include "trainer/data/labels.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t shown_field = 40;
constexpr std::size_t most_categories = 256;
constexpr std::size_t most_labels = 65536;

std::string shown(std::string_view field) {
  return printable(field.substr(0, shown_field));
}

bool is_missing(std::string_view field) {
  return field.empty() || field == "NA" || field == "NaN" || field == "nan";
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The row as a float, when it is one.
std::optional<float> float_of(std::string_view field) {
  const auto number = parse_number(field);
  if (!number || std::abs(*number) > std::numeric_limits<float>::max()) {
    return std::nullopt;
  }
  return static_cast<float>(*number);
}

}  // namespace

std::size_t WordList::number_of(std::string_view word) {
  const auto found = numbers_.find(word);
  if (found != numbers_.end()) {
    return found->second;
  }
  numbers_.emplace(word, words_.size());
  words_.emplace_back(word);
  return words_.size() - 1;
}

CsvTable::CsvTable(const CsvSource& source, const ReadOptions& options)
    : source_(source), options_(options), target_values_(source.targets.size()), stored_(options.memory) {
  targets_.width = options.task == Task::regression ? source.targets.size() : 1;
}

void CsvTable::begin_file(const std::filesystem::path& path, bool is_test) {
  file_ = path.string();
  is_test_ = is_test;
  ++files_;
  header_.clear();
  places_.clear();
  row_ = 1;
  field_ = 0;
  file_rows_ = 0;
}

void CsvTable::take_field(std::string_view field) {
  if (row_ == 1) {
    header_.emplace_back(field);
  } else if (field_ < places_.size()) {
    take_value(field, places_[field_]);
  }
  ++field_;
}

void CsvTable::end_row() {
  if (row_ == 1) {
    end_header();
  } else if (field_ != header_.size()) {
    refuse(fmt::format("row {} has {}, and the header names {}", row_, count_of(field_, "field"),
                       count_of(header_.size(), "column")));
  } else if (!fault_.empty()) {
    refuse(fault_, hint_);
  } else if (!misses_some_ || source_.missing != MissingValues::drop) {
    keep_row();
  }
  misses_some_ = false;
  field_ = 0;
  ++row_;
}

void CsvTable::keep_row() {
  stored_.append({reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float)});
  if (options_.task == Task::regression) {
    targets_.values.insert(targets_.values.end(), target_values_.begin(), target_values_.end());
  } else {
    targets_.classes.push_back(class_);
  }
  (to_test_ || is_test_ ? test_ : training_).push_back(rows_);
  ++rows_;
  ++file_rows_;
}

void CsvTable::end_header() {
  std::set<std::string> seen;
  for (const std::string& name : header_) {
    if (!seen.insert(name).second) {
      refuse(fmt::format("row 1 names the column '{}' twice", shown(name)));
    }
  }
  require_columns();
  for (const std::string& name : header_) {
    places_.push_back(place_of(name));
  }
  if (features_.empty()) {
    refuse(fmt::format("there is no column besides the target '{}'", shown(source_.targets.front())));
  }
  for (const Feature& feature : features_) {
    if (!seen.contains(feature.name)) {
      refuse(fmt::format("row 1 names no column '{}', which {} has", shown(feature.name),
                         source_.file.string()));
    }
  }
  values_.resize(features_.size());
}

void CsvTable::require_columns() const {
  const auto require = [this](const std::string& name, const std::string& what) {
    if (!holds(header_, name)) {
      refuse(fmt::format("row 1 names no column '{}', which {}", shown(name), what),
             suggest_name(name, header_));
    }
  };
  for (const std::string& target : source_.targets) {
    require(target, source_.targets.size() == 1 ? "is the target" : "is a target");
  }
  if (!options_.split_by.empty()) {
    require(options_.split_by, "split.by asks for");
  }
  for (const std::string& name : source_.categorical) {
    require(name, "categorical names");
  }
  for (const std::string& name : source_.drop) {
    if (!is_test_) {  // a test file need not have what is not used
      require(name, "drop names");
    }
  }
}

CsvTable::Place CsvTable::place_of(const std::string& name) {
  const auto target = std::find(source_.targets.begin(), source_.targets.end(), name);
  if (target != source_.targets.end()) {
    return {Role::target, static_cast<std::size_t>(target - source_.targets.begin())};
  }
  if (name == options_.split_by) {
    return {Role::part, 0};
  }
  if (holds(source_.drop, name)) {
    return {Role::unused, 0};
  }
  const auto known = std::find_if(features_.begin(), features_.end(),
                                  [&name](const Feature& feature) { return feature.name == name; });
  if (known != features_.end()) {
    return {Role::feature, static_cast<std::size_t>(known - features_.begin())};
  }
  if (files_ > 1) {
    refuse(fmt::format("row 1 names the column '{}', which {} has not", shown(name), source_.file.string()),
           "take it out, or name it in drop");
  }
  require_utf8(name, file_, "column");
  Feature feature;
  feature.name = name;
  feature.categorical = holds(source_.categorical, name);
  features_.push_back(std::move(feature));
  return {Role::feature, features_.size() - 1};
}

void CsvTable::take_value(std::string_view field, const Place& place) {
  switch (place.role) {
    case Role::unused:
      return;
    case Role::feature:
      values_[place.index] = feature_value(field, features_[place.index]);
      return;
    case Role::target:
      return take_target(field, place.index);
    case Role::part:
      return take_part(field);
  }
}

// A row with too few or too many fields shifts its values, so that is said before what is wrong with one of
// them.
void CsvTable::note(const std::string& what, const std::string& hint) {
  if (fault_.empty()) {
    fault_ = fmt::format("row {}, column '{}': {}", row_, shown(header_[field_]), what);
    hint_ = hint;
  }
}

void CsvTable::note_missing(std::string_view field) {
  misses_some_ = true;
  if (source_.missing == MissingValues::refuse) {
    note(field.empty() ? "the field is empty" : fmt::format("the value is missing: {}", field),
         "say what becomes of it with data.missing: mean, zero or drop, or leave the column out with "
         "data.drop");
  }
}

// A number, the number of a word, or NaN where there is none: how words are numbered in the end is known
// only once all are there.
float CsvTable::feature_value(std::string_view field, Feature& feature) {
  if (feature.categorical ? field.empty() : is_missing(field)) {
    note_missing(field);
    feature.misses_some = true;
    return std::numeric_limits<float>::quiet_NaN();
  }
  const bool number = !feature.categorical && parse_number(field).has_value();
  if (number && feature.word_row != 0) {
    note(fmt::format("'{}' is a number, and row {} has a word", shown(field), feature.word_row),
         fmt::format("for categories write data.categorical: [{}]", feature.name));
  } else if (!number && feature.number_row != 0) {
    note(fmt::format("'{}' is not a number, and row {} has one", shown(field), feature.number_row),
         fmt::format(
             "mend it; for categories write data.categorical: [{}], or leave the column out with data.drop",
             feature.name));
  }
  if (number) {
    feature.number_row = feature.number_row == 0 ? row_ : feature.number_row;
    const auto value = float_of(field);
    if (!value) {
      note(fmt::format("'{}' is not a number of 32 bits", shown(field)), "");
    }
    return value.value_or(0);
  }
  feature.word_row = feature.word_row == 0 ? row_ : feature.word_row;
  const std::size_t word = feature.words.number_of(field);
  if (word >= most_categories) {
    note(fmt::format("'{}' is one more category than the {} that a column may have", shown(field),
                     most_categories),
         fmt::format("leave the column out with data.drop: [{}], or write numbers in it", feature.name));
  }
  return static_cast<float>(word);
}

void CsvTable::take_target(std::string_view field, std::size_t index) {
  const bool regression = options_.task == Task::regression;
  if (field.empty() || (regression && is_missing(field))) {
    misses_some_ = true;
    if (source_.missing != MissingValues::drop) {
      note(regression ? "the target is missing" : "the label is empty",
           "an example without one can be left out with data.missing: drop");
    }
    return;
  }
  if (regression) {
    const auto number = float_of(field);
    if (!number) {
      note(fmt::format("the target '{}' is not a number", shown(field)), "a regression predicts numbers");
    }
    target_values_[index] = number.value_or(0);
    return;
  }
  class_ = static_cast<std::int64_t>(labels_.number_of(field));
  if (labels_.words().size() > most_labels) {
    note(fmt::format("'{}' is one more label than the {} that there may be", shown(field), most_labels),
         "to predict numbers write task: regression");
  }
}

void CsvTable::take_part(std::string_view field) {
  if (field != "train" && field != "test") {
    note(fmt::format("'{}' is neither train nor test", shown(field)),
         "split.by names the column that says it");
  }
  to_test_ = field == "test";
}

void CsvTable::end_file() {
  if (file_rows_ == 0) {
    refuse(row_ > 2 ? "every row misses a value, so none is left" : "there is no row below the header",
           "the first row names the columns, and each further row is an example");
  }
}

void CsvTable::sort_targets(RawData& data) {
  if (options_.task == Task::regression) {
    data.labels = source_.targets;
    return;
  }
  data.labels = labels_.words();
  sort_labels(data.labels);
  std::vector<std::int64_t> sorted(data.labels.size());  // by the number that a label had until now
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    require_utf8(data.labels[i], source_.file.string(), "label");
    sorted[labels_.number_of(data.labels[i])] = static_cast<std::int64_t>(i);
  }
  for (std::int64_t& target : targets_.classes) {
    target = sorted[static_cast<std::size_t>(target)];
  }
}

RawData CsvTable::finish() {
  RawData data;
  data.source = source_.file.string();
  data.shape = {static_cast<std::int64_t>(features_.size())};
  for (const Feature& feature : features_) {
    data.columns.push_back({feature.name, 0, 0});
  }
  sort_targets(data);
  const auto table = std::make_shared<StoredTable>(stored_.finish(), features_.size());
  const Part everything = whole_part(table, std::move(targets_), data.source);
  if (options_.split_by.empty() && !source_.test) {
    data.all = everything;
  } else {
    data.all = take(everything, training_);
    data.test = take(everything, test_);
  }
  data.fit = [table, features = std::move(features_), missing = source_.missing, file = data.source](
                 std::span<const std::size_t> rows, std::vector<Column>& columns) {
    fit_table(*table, features, missing, rows, file, columns);
  };
  return data;
}

void CsvTable::refuse(const std::string& what, const std::string& hint) const {
  throw UsageError(fmt::format("{}: {}", file_, what), hint);
}

RawData read_csv(const CsvSource& source, const ReadOptions& options) {
  CsvTable table(source, options);
  table.begin_file(source.file, false);
  parse_csv(source.file, table);
  table.end_file();
  if (source.test) {
    table.begin_file(*source.test, true);
    parse_csv(*source.test, table);
    table.end_file();
  }
  return table.finish();
}

}  // namespace mlpipe
