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

std::size_t Preprocessing::encoded_values(std::size_t raw_values) const {
  std::size_t values = raw_values;
  for (const std::size_t count : categories) {
    values += count == 0 ? 0 : count - 1;
  }
  return values;
}

void Preprocessing::apply(std::span<const float> raw, std::span<float> encoded,
                          std::size_t raw_values) const {
  require(raw_values > 0 && raw.size() % raw_values == 0, "the data is no whole examples");
  require(categories.empty() || categories.size() == raw_values,
          "there is not one number of categories for each value of an example");
  const std::size_t width = encoded_values(raw_values);
  require(encoded.size() == raw.size() / raw_values * width, "the result has another size than the data");
  if (!categories.empty()) {
    encode(raw, encoded);
    scale(encoded, encoded, width);
  } else {
    scale(raw, encoded, width);
  }
}

void Preprocessing::encode(std::span<const float> raw, std::span<float> encoded) const {
  float* to = encoded.data();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const std::size_t count = categories[i % categories.size()];
    if (count == 0) {
      *to++ = raw[i];
      continue;
    }
    std::fill_n(to, count, 0.0F);
    if (raw[i] >= 0 && raw[i] < static_cast<float>(count)) {
      to[static_cast<std::size_t>(raw[i])] = 1;
    }
    to += count;
  }
}

void Preprocessing::scale(std::span<const float> from, std::span<float> to, std::size_t width) const {
  if (kind == Kind::none) {
    if (from.data() != to.data()) {
      std::copy(from.begin(), from.end(), to.begin());
    }
    return;
  }
  require(offset.size() == divisor.size(), "offset and divisor differ in length");
  require(!offset.empty() && width % offset.size() == 0,
          "the values of an example do not divide into as many runs as there are offsets");
  const std::size_t run = width / offset.size();
  std::size_t at = 0;
  while (at < from.size()) {
    for (std::size_t n = 0; n < offset.size(); ++n) {
      for (const std::size_t end = at + run; at < end; ++at) {
        to[at] = (from[at] - offset[n]) / divisor[n];
      }
    }
  }
}

}  // namespace mlpipe
