#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "trainer/data/example_source.hpp"

namespace mlpipe {
namespace {

class InMemory : public ExampleSource {
 public:
  InMemory(std::vector<float> values, std::size_t values_per_example)
      : values_(std::move(values)), per_example_(values_per_example) {
    if (per_example_ == 0 || values_.size() % per_example_ != 0) {
      throw Error(fmt::format("{} values are no whole examples of {}", values_.size(), per_example_));
    }
  }

  std::size_t count() const override { return values_.size() / per_example_; }

  void read(std::span<const std::size_t> examples, std::span<float> values) const override {
    auto to = values.begin();
    for (const std::size_t example : examples) {
      const auto from = values_.begin() + static_cast<std::ptrdiff_t>(example * per_example_);
      to = std::copy(from, from + static_cast<std::ptrdiff_t>(per_example_), to);
    }
  }

 private:
  std::vector<float> values_;
  std::size_t per_example_;
};

}  // namespace

std::shared_ptr<const ExampleSource> in_memory(std::vector<float> values, std::size_t values_per_example) {
  return std::make_shared<InMemory>(std::move(values), values_per_example);
}

}  // namespace mlpipe
