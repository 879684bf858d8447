#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trainer/data/example_source.hpp"

namespace mlpipe {

// What examples are to be answered with.
struct Targets {
  std::vector<std::int64_t> classes;  // [count], an index into the labels; empty for regression
  std::vector<float> values;          // [count, width] for regression, in the data's own units; else empty
  std::size_t width = 1;
};

// Some of the examples of a source.
struct Part {
  std::shared_ptr<const ExampleSource> examples;
  Targets targets;                // of these rows
  std::vector<std::size_t> rows;  // which examples of the source, ascending
  std::string name;               // of the source, for messages

  std::size_t count() const { return rows.size(); }
};

// All examples of a source, with their targets.
Part whole_part(std::shared_ptr<const ExampleSource> examples, Targets targets, std::string name);

// Those of a part's examples that stand at these positions, from 0 to its count.
Part take(const Part& part, const std::vector<std::size_t>& positions);

}  // namespace mlpipe
