#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trainer/data/csv.hpp"
#include "trainer/data/raw_data.hpp"
#include "trainer/data/stored_bytes.hpp"

namespace mlpipe {

// Words, numbered in the order in which they are first met.
class WordList {
 public:
  std::size_t number_of(std::string_view word);
  const std::vector<std::string>& words() const { return words_; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> numbers_;
  std::vector<std::string> words_;
};

// A column that examples have a value of. A field is a number or a word; a column holds one or the other.
struct Feature {
  std::string name;
  bool categorical = false;  // said to be: its numbers are words too
  WordList words;
  std::size_t number_row = 0;  // the row of its first number, 0 for none
  std::size_t word_row = 0;
  bool misses_some = false;
};

// Makes a table of the rows of one CSV file, or of two: the examples to train on and those held out. The
// first row of each names its columns, in any order.
class CsvTable : public CsvHandler {
 public:
  CsvTable(const CsvSource& source, const ReadOptions& options);

  void begin_file(const std::filesystem::path& path, bool is_test);
  void take_field(std::string_view field) override;
  void end_row() override;
  // Throws UsageError for a file without a row that is used.
  void end_file();

  RawData finish();

 private:
  enum class Role { unused, feature, target, part };
  struct Place {
    Role role = Role::unused;
    std::size_t index = 0;
  };

  void end_header();
  void require_columns() const;
  Place place_of(const std::string& name);
  void take_value(std::string_view field, const Place& place);
  float feature_value(std::string_view field, Feature& feature);
  void take_target(std::string_view field, std::size_t index);
  void take_part(std::string_view field);
  void note_missing(std::string_view field);
  void note(const std::string& what, const std::string& hint);
  void keep_row();
  void sort_targets(RawData& data);
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const;

  const CsvSource& source_;
  const ReadOptions& options_;
  std::string file_;
  bool is_test_ = false;
  std::size_t files_ = 0;
  std::vector<std::string> header_;
  std::vector<Place> places_;  // of the file's columns
  std::vector<Feature> features_;
  WordList labels_;

  std::size_t row_ = 1;
  std::size_t field_ = 0;
  std::vector<float> values_;  // of the row that is being read
  std::vector<float> target_values_;
  std::int64_t class_ = 0;
  bool to_test_ = false;
  bool misses_some_ = false;
  std::string fault_;
  std::string hint_;

  ByteCollector stored_;
  std::size_t rows_ = 0;       // that were kept
  std::size_t file_rows_ = 0;  // of this file
  Targets targets_;
  std::vector<std::size_t> training_;
  std::vector<std::size_t> test_;
};

}  // namespace mlpipe
