#pragma once

#include <span>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training_data.hpp"
#include "trainer/data/csv_table.hpp"
#include "trainer/data/example_source.hpp"
#include "trainer/data/stored_bytes.hpp"

namespace mlpipe {

// Rows of floats.
class StoredTable : public ExampleSource {
 public:
  StoredTable(StoredBytes stored, std::size_t columns) : stored_(std::move(stored)), columns_(columns) {}

  std::size_t count() const override { return stored_.bytes.size() / sizeof(float) / columns_; }
  void read(std::span<const std::size_t> examples, std::span<float> values) const override;

  // To be changed before anybody reads it.
  std::span<float> row(std::size_t row);

 private:
  StoredBytes stored_;
  std::size_t columns_;
};

// Gives the table of a file its last form: the words of each column are numbered in the order of their bytes,
// those that `rows` do not have are unknown, -1, and what is missing gets its value. Throws UsageError for a
// column that has no value in `rows` to take the mean of.
void fit_table(StoredTable& table, const std::vector<Feature>& features, MissingValues missing,
               std::span<const std::size_t> rows, const std::string& file, std::vector<Column>& columns);

}  // namespace mlpipe
