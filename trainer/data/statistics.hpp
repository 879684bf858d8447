#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "pipeline/model/shape.hpp"
#include "trainer/data/example_source.hpp"

namespace mlpipe {

// What the values of examples are like, in groups: each column of a table, each channel of an image.
struct Statistics {
  std::size_t count = 0;  // values in each group; 0: only the range is known
  std::vector<float> least;
  std::vector<float> most;
  std::vector<double> mean;
  std::vector<double> squares;  // sum of the squared distances from the mean

  std::size_t groups() const { return least.size(); }
  // As if both had been looked at together. Either may be empty.
  void merge(const Statistics& other);
  // All groups as one.
  Statistics together() const;
};

// One pass over these examples of the source, in pieces, so that memory holds only a few of them; on
// `workers` threads besides this one. The result does not hang on their number. Throws UsageError, with the
// source's name and the number of the first such example, for a value that is not finite.
Statistics statistics_of(const ExampleSource& source, std::span<const std::size_t> examples,
                         const Shape& shape, const std::string& name, int workers = 0);

}  // namespace mlpipe
