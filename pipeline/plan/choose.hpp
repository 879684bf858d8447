#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"
#include "pipeline/spec/selector.hpp"

namespace mlpipe {

// What a selector makes of the results of one action key.
struct Choice {
  std::vector<Result> results;  // those that stand for it, the oldest first; empty while something is lacking
  std::size_t lacking = 0;      // so many more must succeed before the choice can be made
  std::size_t succeeded = 0;    // how many have
  std::string problem;          // why none stands for it though nothing is lacking; empty: one does

  bool is_made() const { return lacking == 0 && problem.empty(); }
};

// Chooses among all results of a key; failed ones never stand for it. The order of age is that of their
// times, so it is the same in every store. Pure.
Choice choose(const Selector& selector, std::span<const Result> results);

// Why `ran`, which has just succeeded, is not what stands for its step: "kept result 3f2a81bc0d12 with
// accuracy 0.981: the new one has 0.962". Empty when it is among the chosen.
std::string why_kept(const Selector& selector, std::span<const Result> chosen, const Result& ran);

}  // namespace mlpipe
