#include <cmath>
#include <limits>

#include "trainer/data/dataset.hpp"

namespace mlpipe {
namespace {

// The offset and divisor of one group of values.
void add_scale(Preprocessing& preprocessing, const Statistics& fitted, std::size_t group) {
  const bool standardize = preprocessing.kind == Preprocessing::Kind::standardize;
  const float least = fitted.least[group];
  const float most = fitted.most[group];
  const double divisor = standardize ? std::sqrt(fitted.squares[group] / static_cast<double>(fitted.count))
                                     : static_cast<double>(most) - least;
  const bool varies =
      most > least && static_cast<float>(divisor) > 0 && divisor <= std::numeric_limits<float>::max();
  preprocessing.offset.push_back(standardize ? static_cast<float>(fitted.mean[group]) : least);
  preprocessing.divisor.push_back(varies ? static_cast<float>(divisor) : 1.0F);
}

}  // namespace

Preprocessing fit_preprocessing(const TrainingData& data, const Dataset& dataset) {
  using Kind = Preprocessing::Kind;
  Preprocessing preprocessing;
  preprocessing.kind = data.scale.value_or(dataset.is_image() ? Kind::minmax : Kind::standardize);
  preprocessing.categories = category_counts(dataset.columns);
  if (preprocessing.kind == Kind::none) {
    return preprocessing;
  }
  const bool alike = dataset.is_image() && !data.per_channel;
  const Statistics fitted = alike ? dataset.statistics.together() : dataset.statistics;
  for (std::size_t group = 0; group < fitted.groups(); ++group) {
    const std::size_t categories = dataset.columns.empty() ? 0 : dataset.columns[group].categories.size();
    if (categories == 0) {
      add_scale(preprocessing, fitted, group);
    } else {  // one or zero, and so they stay
      preprocessing.offset.insert(preprocessing.offset.end(), categories, 0.0F);
      preprocessing.divisor.insert(preprocessing.divisor.end(), categories, 1.0F);
    }
  }
  return preprocessing;
}

}  // namespace mlpipe
