#include "trainer/data/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/base/error.hpp"
#include "trainer/data/parallel.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t values_at_once = std::size_t{1} << 18U;  // 1 MiB of floats

// Some whole examples, and how their values fall into groups: runs of `run` values of one group each.
struct Piece {
  std::span<const float> values;
  std::size_t groups = 1;
  std::size_t run = 1;

  template <typename Look>  // look(group, value)
  void each(const Look& look) const {
    for (std::size_t at = 0; at < values.size();) {
      for (std::size_t group = 0; group < groups; ++group) {
        for (const std::size_t end = at + run; at < end; ++at) {
          look(group, values[at]);
        }
      }
    }
  }
};

Statistics statistics_of(const Piece& piece) {
  Statistics result;
  result.count = piece.values.size() / piece.groups;
  result.least.assign(piece.groups, std::numeric_limits<float>::max());
  result.most.assign(piece.groups, std::numeric_limits<float>::lowest());
  result.mean.assign(piece.groups, 0);
  result.squares.assign(piece.groups, 0);
  piece.each([&](std::size_t group, float value) {
    result.least[group] = std::min(result.least[group], value);
    result.most[group] = std::max(result.most[group], value);
    result.mean[group] += value;
  });
  for (double& mean : result.mean) {
    mean /= static_cast<double>(result.count);
  }
  piece.each([&](std::size_t group, float value) {
    const double distance = value - result.mean[group];
    result.squares[group] += distance * distance;
  });
  return result;
}

// Two parts of one group: their means weighed, and the squares moved to the common mean.
void merge_group(Statistics& into, std::size_t group, std::size_t into_count, const Statistics& other,
                 std::size_t other_group) {
  into.least[group] = std::min(into.least[group], other.least[other_group]);
  into.most[group] = std::max(into.most[group], other.most[other_group]);
  const auto a = static_cast<double>(into_count);
  const auto b = static_cast<double>(other.count);
  if (other.count > 0) {
    const double distance = other.mean[other_group] - into.mean[group];
    into.mean[group] += distance * b / (a + b);
    into.squares[group] += other.squares[other_group] + distance * distance * a * b / (a + b);
  }
}

void require_finite(std::span<const float> values, std::span<const std::size_t> examples,
                    const std::string& name) {
  const auto wrong =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != values.end()) {
    const std::size_t per_example = values.size() / examples.size();
    const auto at = static_cast<std::size_t>(wrong - values.begin()) / per_example;
    throw UsageError(fmt::format("{}: example {} holds {}, which is no number to compute with", name,
                                 examples[at], *wrong));
  }
}

}  // namespace

void Statistics::merge(const Statistics& other) {
  if (count == 0) {
    *this = other;
    return;
  }
  if (other.count == 0) {
    return;
  }
  for (std::size_t group = 0; group < groups(); ++group) {
    merge_group(*this, group, count, other, group);
  }
  count += other.count;
}

Statistics Statistics::together() const {
  Statistics all{count, {least[0]}, {most[0]}, {mean[0]}, {squares[0]}};
  for (std::size_t group = 1; group < groups(); ++group) {
    merge_group(all, 0, all.count, *this, group);
    all.count += count;
  }
  return all;
}

Statistics statistics_of(const ExampleSource& source, std::span<const std::size_t> examples,
                         const Shape& shape, const std::string& name, int workers) {
  const std::size_t per_example = element_count(shape);
  const bool image = shape.size() == 3;
  const std::size_t groups = image ? static_cast<std::size_t>(shape[0]) : per_example;
  const std::size_t at_once = std::max<std::size_t>(1, values_at_once / per_example);
  const std::size_t pieces = (examples.size() + at_once - 1) / at_once;
  Statistics result;
  for_each_in_order<Statistics>(
      pieces, workers,
      [&](std::size_t piece) {
        const auto some =
            examples.subspan(piece * at_once, std::min(at_once, examples.size() - piece * at_once));
        std::vector<float> values(some.size() * per_example);
        source.read(some, values);
        require_finite(values, some, name);
        return statistics_of(Piece{values, groups, per_example / groups});
      },
      [&](Statistics&& piece) { result.merge(piece); });
  return result;
}

}  // namespace mlpipe
