#include "pipeline/model/preprocessing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

void require(bool holds, const char* what) {
  if (!holds) {
    throw Error(fmt::format("preprocessing: {}", what));
  }
}

}  // namespace

void Preprocessing::apply(std::span<const float> raw, std::span<float> scaled,
                          std::size_t values_per_example) const {
  require(raw.size() == scaled.size(), "the result has another size than the data");
  require(values_per_example > 0 && raw.size() % values_per_example == 0, "the data is no whole examples");
  if (kind == Kind::none) {
    if (raw.data() != scaled.data()) {
      std::copy(raw.begin(), raw.end(), scaled.begin());
    }
    return;
  }
  require(offset.size() == divisor.size(), "offset and divisor differ in length");
  if (offset.size() == 1) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      scaled[i] = (raw[i] - offset[0]) / divisor[0];
    }
    return;
  }
  require(offset.size() == values_per_example, "there is not one offset for each value of an example");
  for (std::size_t start = 0; start < raw.size(); start += values_per_example) {
    for (std::size_t i = 0; i < values_per_example; ++i) {
      scaled[start + i] = (raw[start + i] - offset[i]) / divisor[i];
    }
  }
}

}  // namespace mlpipe
