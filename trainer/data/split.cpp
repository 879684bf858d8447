#include "trainer/data/split.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace mlpipe {
namespace {

void shuffle(std::vector<std::size_t>& rows, std::mt19937_64& random) {
  for (std::size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[random() % i]);  // std::shuffle's order is each library's own
  }
}

void hold_out_some(std::vector<std::size_t>& rows, double share, std::mt19937_64& random,
                   std::vector<std::size_t>& held_out) {
  shuffle(rows, random);
  const auto wanted = static_cast<std::size_t>(std::lround(static_cast<double>(rows.size()) * share));
  const std::size_t count = rows.empty() ? 0 : std::min(wanted, rows.size() - 1);
  held_out.insert(held_out.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

std::vector<std::size_t> choose_held_out(std::size_t count, const Split& split) {
  std::vector<std::size_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  std::mt19937_64 random(split.seed);
  std::vector<std::size_t> held_out;
  hold_out_some(rows, split.test, random, held_out);
  std::sort(held_out.begin(), held_out.end());
  return held_out;
}

std::vector<std::size_t> choose_held_out(const std::vector<std::int64_t>& classes, std::size_t class_count,
                                         const Split& split) {
  std::vector<std::vector<std::size_t>> by_class(class_count);
  for (std::size_t row = 0; row < classes.size(); ++row) {
    by_class[static_cast<std::size_t>(classes[row])].push_back(row);
  }
  std::mt19937_64 random(split.seed);
  std::vector<std::size_t> held_out;
  for (std::vector<std::size_t>& rows : by_class) {
    hold_out_some(rows, split.test, random, held_out);
  }
  std::sort(held_out.begin(), held_out.end());
  return held_out;
}

}  // namespace mlpipe
