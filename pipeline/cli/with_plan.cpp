#include "pipeline/cli/with_plan.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/find_store.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t most_jobs = 10'000;

class PlanUser : public RunObserver {
 public:
  explicit PlanUser(const UsePlan& use) : use_(use) {}
  void planned(const Plan& plan, const Effects& effects, const Spec& spec, const Secrets&) override {
    use_(plan, effects, spec);
  }

 private:
  const UsePlan& use_;
};

}  // namespace

Adjustments adjustments_of(const Invocation& invocation) {
  return {invocation.all("--set"), invocation.value("--profile"), invocation.value("--runs-on")};
}

RunRequest request_of(const Invocation& invocation) {
  RunRequest request;
  request.file = pipeline_file(invocation);
  request.adjustments = adjustments_of(invocation);
  for (const std::string& step : invocation.all("--force")) {
    request.plan.force.insert(step);
  }
  request.plan.until = invocation.value("--until");
  request.plan.keep_going = invocation.has("--keep-going");
  if (const auto jobs = invocation.value("--jobs")) {
    const auto count = parse_integer(*jobs);
    if (!count || *count < 1 || *count > most_jobs) {
      throw UsageError(fmt::format("--jobs {}: expected a whole number from 1", printable(*jobs)));
    }
    request.jobs = static_cast<std::size_t>(*count);
  }
  return request;
}

void with_plan(const Invocation& invocation, const UsePlan& use, bool ask_remote) {
  RunRequest request = request_of(invocation);
  request.dry_run = true;
  request.ask_remote = ask_remote;
  PlanUser user(use);
  run_pipeline(request, user);
}

const PlannedStep& planned_step(const Plan& plan, const std::string& name) {
  if (const PlannedStep* step = plan.find(name)) {
    return *step;
  }
  std::vector<std::string> known;
  for (const PlannedStep& planned : plan.steps()) {
    known.push_back(planned.step->name);
  }
  throw UsageError(fmt::format("there is no step '{}'", printable(name)), suggest_name(name, known));
}

}  // namespace mlpipe
