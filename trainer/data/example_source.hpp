#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace mlpipe {

// Random access to examples in their raw form, as a client of the model would send them: one float for each
// column (of a categorical one the index of its category, -1 when unknown), or the pixels. Thread-safe. What
// is read may be decoded or paged in while it is asked for.
class ExampleSource {
 public:
  ExampleSource() = default;
  ExampleSource(const ExampleSource&) = delete;
  ExampleSource& operator=(const ExampleSource&) = delete;
  virtual ~ExampleSource() = default;

  virtual std::size_t count() const = 0;
  // Fills `values` with the examples of these numbers, each below count(), one after the other. Throws Error
  // for one that can no longer be read.
  virtual void read(std::span<const std::size_t> examples, std::span<float> values) const = 0;
};

// Examples that lie in memory, [count, values_per_example].
std::shared_ptr<const ExampleSource> in_memory(std::vector<float> values, std::size_t values_per_example);

}  // namespace mlpipe
