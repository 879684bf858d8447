#include "trainer/network/weight_table.hpp"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(what, "model.yaml and the weights belong together: write both again");
}

}  // namespace

WeightTable::WeightTable(const std::vector<NamedTensor>& weights, std::string file) : file_(std::move(file)) {
  for (const NamedTensor& weight : weights) {
    left_[weight.name] = &weight;
  }
}

at::Tensor WeightTable::take(const std::string& name, const Shape& shape) {
  const auto found = left_.find(name);
  if (found == left_.end()) {
    fail(fmt::format("{}: the network's tensor '{}' is not in it", file_, name));
  }
  const NamedTensor& weight = *found->second;
  if (weight.shape != shape) {
    fail(fmt::format("{}: tensor '{}' has the shape {}, and the network needs {}", file_, name,
                     shape_text(weight.shape), shape_text(shape)));
  }
  left_.erase(found);
  return at::from_blob(const_cast<float*>(weight.values.data()), weight.shape, at::kFloat);
}

void WeightTable::require_all_taken() const {
  if (!left_.empty()) {
    fail(fmt::format("{}: the network has no tensor '{}'", file_, printable(left_.begin()->first)));
  }
}

}  // namespace mlpipe
