#include "pipeline/registry/gate.hpp"

#include <fmt/format.h>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/plan/effects.hpp"

namespace mlpipe {
namespace {

std::string joined(const std::vector<std::string>& parts, std::size_t from) {
  return join(std::span(parts).subspan(from), ".");
}

std::map<std::string, double> metrics_of(const Plan& plan, const std::string& step) {
  const PlannedStep* planned = plan.find(step);
  return planned != nullptr ? planned->metrics() : std::map<std::string, double>{};
}

Value metric(const Plan& plan, const std::string& step, const std::string& name, std::size_t offset) {
  const auto metrics = metrics_of(plan, step);
  const auto found = metrics.find(name);
  if (found != metrics.end()) {
    return Value::of_number(found->second);
  }
  std::vector<std::string> known;
  for (const auto& [metric_name, value] : metrics) {
    known.push_back(metric_name);
  }
  const std::string hint =
      known.empty() ? fmt::format("step '{}' reports no metrics", step) : suggest_name(name, known);
  throw ExpressionError(
      offset, fmt::format("the gate asks for the metric '{}', which step '{}' does not report", name, step),
      hint);
}

Value look_up(const Spec& spec, const Plan& plan, const std::optional<AliasState>& current,
              const Expression& reference) {
  const std::vector<std::string>& parts = reference.reference;
  if (parts[0] == "current") {
    const auto found =
        current ? current->metrics.find(joined(parts, 1)) : std::map<std::string, double>::const_iterator{};
    return current && found != current->metrics.end() ? Value::of_number(found->second) : Value{};
  }
  if (parts[0] == "params") {
    const std::string& text = spec.params.at(parts[1]);
    const auto number = parse_number(text);
    return number ? Value::of_number(*number) : Value::of_text(text);
  }
  if (parts.size() == 1) {
    const PlannedStep* own = model_step(spec, plan);
    return metric(plan, own != nullptr ? own->step->name : spec.model->from.step, parts[0], reference.offset);
  }
  return metric(plan, parts[0], joined(parts, 1), reference.offset);
}

}  // namespace

std::map<std::string, double> release_metrics(const Spec& spec, const Plan& plan) {
  std::map<std::string, double> metrics;
  const PlannedStep* behind = model_step(spec, plan);
  for (const PlannedStep& planned : plan.steps()) {
    const bool own = &planned == behind;
    for (const auto& [name, value] : planned.metrics()) {
      metrics[own ? name : planned.step->name + "." + name] = value;
    }
  }
  return metrics;
}

std::vector<std::string> unmet_gate(const Spec& spec, const Plan& plan,
                                    const std::optional<AliasState>& current) {
  if (!spec.model || !spec.model->gate) {
    return {};
  }
  return unmet_terms(*spec.model->gate,
                     [&](const Expression& reference) { return look_up(spec, plan, current, reference); });
}

}  // namespace mlpipe
