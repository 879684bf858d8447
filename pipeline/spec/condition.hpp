#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/yaml.hpp"
#include "pipeline/spec/expression.hpp"

namespace mlpipe {

// What a condition or a finally step asks of another step: its outcome, or one of its metrics.
struct StepReference {
  std::string step;    // also the name of a matrix step
  std::string metric;  // empty: its outcome
};

// steps.NAME.outcome and steps.NAME.metrics.X; nothing for any other reference.
std::optional<StepReference> step_reference(const Expression& reference);

// How a step ended, as `steps.NAME.outcome` has it.
inline const std::vector<std::string>& outcome_names() {
  static const std::vector<std::string> names = {"succeeded", "failed", "skipped", "blocked"};
  return names;
}

// The `if` of a step. A value; nothing in it depends on how steps ended.
struct Condition {
  std::string text;  // as written
  Mark mark;
  Expression expression;
  std::map<std::string, Value> values;  // of the params and matrix values that it names, as they are written
};

// Finds what a condition asks of another step; nothing while that step has not ended.
using StepLookup = std::function<std::optional<Value>(const StepReference&)>;

struct Verdict {
  enum class Kind { holds, fails, undecided };
  Kind kind = Kind::undecided;
  std::string reason;  // fails: "if: params.deploy == true does not hold: params.deploy is false"
};

// Throws ExpressionError for what can be known only now: a metric that is no number, a division by zero.
Verdict decide(const Condition& condition, const StepLookup& lookup);

}  // namespace mlpipe
