#include "pipeline/spec/condition.hpp"

#include <fmt/format.h>

#include <span>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Leaves an evaluation that asks for a step that has not ended.
struct NotYet {};

}  // namespace

std::optional<StepReference> step_reference(const Expression& reference) {
  const std::vector<std::string>& parts = reference.reference;
  if (parts.size() == 3 && parts[0] == "steps" && parts[2] == "outcome") {
    return StepReference{parts[1], ""};
  }
  if (parts.size() > 3 && parts[0] == "steps" && parts[2] == "metrics") {
    return StepReference{parts[1], join(std::span(parts).subspan(3), ".")};
  }
  return std::nullopt;
}

Verdict decide(const Condition& condition, const StepLookup& lookup) {
  const Lookup find = [&](const Expression& reference) {
    const auto asked = step_reference(reference);
    if (!asked) {
      return condition.values.at(reference.reference_text());
    }
    const auto value = lookup(*asked);
    if (!value) {
      throw NotYet();
    }
    return *value;
  };
  try {
    const Value value = evaluate(condition.expression, find);
    if (value.kind != Value::Kind::boolean) {
      throw ExpressionError(condition.expression.offset,
                            fmt::format("'{}' is neither true nor false", value.to_text()),
                            "compare it with something");
    }
    if (value.boolean) {
      return {Verdict::Kind::holds, ""};
    }
  } catch (const NotYet&) {
    return {};
  }
  std::vector<std::string> known;
  for (const Expression* reference : references_in(condition.expression)) {
    try {
      known.push_back(fmt::format("{} is {}", reference->reference_text(), find(*reference).to_text()));
    } catch (const NotYet&) {  // it held or failed without this one
    }
  }
  return {Verdict::Kind::fails, fmt::format("if: {} does not hold{}{}", condition.text,
                                            known.empty() ? "" : ": ", join(known, ", "))};
}

}  // namespace mlpipe
