#pragma once

#include <functional>
#include <optional>

#include "trainer/data/array.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {

// Examples and what they are to be answered with, each an array.
struct ArrayPair {
  NumericArray examples;
  NumericArray targets;
};

// Data from arrays: labels are whole numbers, the targets of a regression any. Throws UsageError that names
// the array: shapes that do not fit, test examples of another shape, a test label that training does not
// have.
RawData data_from_arrays(std::string source, ArrayPair training, std::optional<ArrayPair> test, Task task);

// The arrays of a file by their names. `find` returns nothing for an array that is not there, and throws for
// one that cannot be read.
using FindArray = std::function<std::optional<NumericArray>(const std::string& name)>;
RawData data_from_names(const NamedArrays& names, const std::vector<std::string>& there,
                        const FindArray& find, const ReadOptions& options);

}  // namespace mlpipe
