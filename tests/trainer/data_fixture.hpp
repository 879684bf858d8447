#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "trainer/data/dataset.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe::testing {

using Values = std::vector<float>;
using Labels = std::vector<std::string>;
using Classes = std::vector<std::int64_t>;

// What a UsageError says, with its hint; empty when there is none.
inline std::string fault_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UsageError& error) {
    return std::string(error.what()) + "\n" + error.hint();
  }
  return "";
}

template <typename Number>
std::string memory_of(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
}

inline Values values_of(const Part& part, std::size_t values_per_example) {
  Values values(part.count() * values_per_example);
  part.examples->read(part.rows, values);
  return values;
}

inline Values values_of(const RawData& data) {
  return values_of(data.all, element_count(data.shape));
}

// The labels of a part's examples.
inline Labels labels_of(const Part& part, const Labels& labels) {
  Labels texts;
  for (const std::int64_t index : part.targets.classes) {
    texts.push_back(labels[static_cast<std::size_t>(index)]);
  }
  return texts;
}

class DataFixture : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    write_file_atomically(folder_.path() / name, bytes);
    return folder_.path() / name;
  }

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

 private:
  TemporaryDirectory folder_;
};

}  // namespace mlpipe::testing
