#pragma once

#include <map>
#include <set>

#include "pipeline/plan/plan.hpp"

namespace mlpipe {

// Results in memory, in place of a store.
class KnownResults : public ResultSource {
 public:
  std::vector<Result> results(const Digest& key) const override {
    const auto found = by_key.find(key);
    return found == by_key.end() ? std::vector<Result>{} : found->second;
  }
  std::string why_lost(const Digest& key) const override {
    const auto found = lost.find(key);
    return found == lost.end() ? "" : found->second;
  }
  std::optional<Realization> last_realization(const std::string&, const std::string& step) const override {
    const auto found = last.find(step);
    return found == last.end() ? std::nullopt : std::optional(found->second);
  }

  // As if the step had run and written these bytes to each of its outs.
  Result add(const PlannedStep& planned, const std::string& bytes, bool succeeded = true,
             std::map<std::string, double> metrics = {}) {
    Result result;
    result.id = ++count_;
    result.action_key = planned.action_key;
    result.succeeded = succeeded;
    result.started = result.finished = std::chrono::system_clock::time_point(std::chrono::seconds(count_));
    result.metrics = std::move(metrics);
    result.failure = succeeded ? "" : "exit status 1";
    for (const std::string& out : planned.step->outs) {
      result.outputs.push_back({out, false, digest_of(bytes), bytes.size()});
    }
    by_key[planned.action_key].push_back(result);
    last[planned.step->name] = {*planned.action, planned.step->params};
    return result;
  }

  std::map<Digest, std::vector<Result>> by_key;
  std::map<std::string, Realization> last;
  std::map<Digest, std::string> lost;  // and why

 private:
  std::int64_t count_ = 0;
};

inline Spec spec_of(const std::string& text, const std::vector<std::string>& set = {},
                    const std::string& file = "/project/pipeline.yaml") {
  return read_spec(file, parse_yaml("pipeline.yaml", text), {set});
}

// Runs everything that the plan wants; each step writes what `write` says. Returns the names in the order
// they ran.
template <typename Write>
std::vector<std::string> run_all(Plan& plan, KnownResults& results, Write write) {
  std::vector<std::string> ran;
  while (const auto index = plan.take_ready()) {
    const PlannedStep& planned = plan.steps()[*index];
    ran.push_back(planned.step->name);
    plan.finish(*index, results.add(planned, write(planned)));
  }
  return ran;
}

}  // namespace mlpipe
