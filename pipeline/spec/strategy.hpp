#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/spec/expression.hpp"

namespace mlpipe {

// How traffic moves to a new release: all of it at once when the release is ready, or in steps that are
// watched.
struct Strategy {
  // One of both.
  struct Step {
    std::optional<int> weight;  // percent of the requests that the candidate gets from now on, 1 to 99
    std::chrono::milliseconds pause{0};  // for how long it is watched
  };
  // A term over `error_rate` (0 to 1), `p50` and `p99` (seconds) and `requests` of the candidate since its
  // last change of weight, and over the same of the serving release as `current.p99`; where it holds, the
  // rollout is aborted. Where no release serves yet, one that names `current` does not count.
  struct Term {
    std::string text;
    Expression expression;
  };
  // What is done when the candidate got fewer than `min_requests` in a step.
  enum class OnNoData {
    probe,  // it is sent requests made from the model's signature
    hold,   // the step goes on until it got them
    abort,
  };

  bool canary = false;
  std::vector<Step> steps;  // the weights rise; after the last step comes all
  std::vector<Term> abort_if;
  int min_requests = 0;
  OnNoData on_no_data = OnNoData::probe;
};

}  // namespace mlpipe
