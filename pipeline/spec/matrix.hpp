#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/yaml.hpp"
#include "pipeline/spec/references.hpp"

namespace mlpipe {

// One combination of the values of a matrix.
struct Combination {
  std::string name;  // "lr=0.1,width=32": unlike that of any other combination, and good as a file's name
  std::map<std::string, YamlNode> values;
};

// A `matrix`, with GitHub Actions' meaning of include and exclude: every combination of the axes, less those
// that hold all of an `exclude`; an `include` adds its values to each combination whose axes it agrees with,
// or is a combination by itself when there is none. With `samples`, axes that are ranges get as many random
// values, drawn together (see sampling.hpp); each combination of the other axes is there with each of the
// samples.
struct Matrix {
  std::vector<Combination> combinations;  // in order: the last axis changes fastest
  bool fail_fast = true;
  std::optional<std::size_t> max_parallel;
};

// Reads the mapping; faults become diagnostics.
Matrix read_matrix(const YamlNode& node, const References& references, Diagnostics& diagnostics);

}  // namespace mlpipe
