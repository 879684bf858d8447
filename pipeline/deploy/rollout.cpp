#include "pipeline/deploy/rollout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Phase = Rollout::Phase;

constexpr std::chrono::milliseconds look_interval{200};
constexpr std::chrono::milliseconds renewal_interval{2'000};
constexpr std::chrono::seconds time_to_be_seen{5};  // what a target has counted may reach it a little later

bool names_current(const Strategy::Term& term) {
  const auto references = references_in(term.expression);
  return std::any_of(references.begin(), references.end(),
                     [](const Expression* reference) { return reference->reference.front() == "current"; });
}

Value value_in(const Observation& observation, const std::string& name) {
  const auto measured = [](const std::optional<double>& value) {
    return value ? Value::of_number(*value) : Value{};
  };
  if (name == "requests") {
    return Value::of_number(static_cast<double>(observation.requests));
  }
  if (name == "error_rate") {
    return Value::of_number(observation.error_rate());
  }
  return measured(name == "p50" ? observation.p50 : observation.p99);
}

// The reader of the strategy lets no other names in. A latency is absent where nothing was answered: a
// comparison with it would hold, and says nothing of the candidate.
std::optional<std::string> holds(const Strategy::Term& term, const Traffic& traffic) {
  bool complete = true;
  const Lookup find = [&](const Expression& reference) {
    const bool of_current = reference.reference.front() == "current";
    Value value = value_in(of_current ? traffic.current : traffic.candidate, reference.reference.back());
    complete = complete && value.kind != Value::Kind::absent;
    return value;
  };
  const Value value = evaluate(term.expression, find);
  if (value.kind != Value::Kind::boolean) {
    return fmt::format("{} is neither true nor false", term.text);
  }
  if (!complete || !value.boolean) {
    return std::nullopt;
  }
  std::vector<std::string> known;
  for (const Expression* reference : references_in(term.expression)) {
    known.push_back(fmt::format("{} is {}", reference->reference_text(), find(*reference).to_text()));
  }
  return fmt::format("{}: {}", term.text, join(known, ", "));
}

}  // namespace

Rollout::Rollout(bool has_previous, Strategy strategy)
    : strategy_(std::move(strategy)), has_previous_(has_previous) {
  if (!has_previous_ || !strategy_.canary) {
    return;
  }
  for (const Strategy::Step& step : strategy_.steps) {
    if (step.weight) {
      stages_.push_back({*step.weight, step.pause});
    } else if (!stages_.empty()) {
      stages_.back().watched += step.pause;
    }
  }
}

std::uint64_t Rollout::wanted_requests() const {
  // A term that was never looked at says nothing.
  const std::uint64_t least = strategy_.abort_if.empty() ? 0 : 1;
  return std::max(least, static_cast<std::uint64_t>(strategy_.min_requests));
}

void Rollout::enter_stage() {
  wants_probe_ = false;
  probes_end_.reset();
  phase_ = stage_ < stages_.size() ? Phase::weigh : Phase::shift;
}

void Rollout::leave_stage() {
  ++stage_;
  enter_stage();
}

void Rollout::effect_succeeded(Time now) {
  switch (phase_) {
    case Phase::bring_up:
      enter_stage();
      break;
    case Phase::weigh:
      stage_end_ = now + stages_.at(stage_).watched;
      phase_ = Phase::watch;
      break;
    case Phase::shift:
      phase_ = Phase::settle;
      break;
    case Phase::settle:
      phase_ = Phase::promoted;
      break;
    case Phase::withdraw:
      phase_ = Phase::aborted;
      break;
    case Phase::watch:
    case Phase::promoted:
    case Phase::aborted:
      break;
  }
}

void Rollout::effect_failed(const std::string& reason) {
  if (phase_ == Phase::withdraw) {
    failure_ += "; going back failed too: " + reason;
    phase_ = Phase::aborted;
    return;
  }
  failure_ = reason;
  phase_ = has_previous_ ? Phase::withdraw : Phase::aborted;
}

void Rollout::observed(const Traffic& traffic, Time now) {
  if (phase_ != Phase::watch) {
    return;
  }
  const bool compares = std::any_of(strategy_.abort_if.begin(), strategy_.abort_if.end(), names_current);
  const bool enough = traffic.candidate.requests >= wanted_requests() &&
                      (!compares || traffic.current.requests >= wanted_requests());
  if (wants_probe_) {  // they were sent just now
    wants_probe_ = false;
    probes_end_ = now + time_to_be_seen;
  }
  if (enough) {
    const std::vector<std::string> reasons = terms_that_hold(strategy_, traffic);
    if (!reasons.empty()) {
      effect_failed(fmt::format("at {} % of the traffic: {}", weight(), join(reasons, "; ")));
    } else if (now >= stage_end_) {
      leave_stage();
    }
  } else if (now >= stage_end_) {
    handle_lack(traffic, now);
  }
}

void Rollout::handle_lack(const Traffic& traffic, Time now) {
  const bool probe = strategy_.on_no_data == Strategy::OnNoData::probe;
  if (probe && !probes_end_) {
    wants_probe_ = true;
  } else if (strategy_.on_no_data != Strategy::OnNoData::hold && (!probe || now >= *probes_end_)) {
    effect_failed(
        fmt::format("at {} % of the traffic: {} wanted for each release, seen {} and {} of the "
                    "serving one{}",
                    weight(), count_of(wanted_requests(), "request"), traffic.candidate.requests,
                    traffic.current.requests, probe ? ", probes included" : ""));
  }
}

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::bring_up:
      return "bring up";
    case Phase::weigh:
      return "weigh";
    case Phase::watch:
      return "watch";
    case Phase::shift:
      return "shift";
    case Phase::settle:
      return "settle";
    case Phase::promoted:
      return "serving";
    case Phase::withdraw:
      return "withdraw";
    case Phase::aborted:
      return "aborted";
  }
  return "";
}

std::vector<std::string> terms_that_hold(const Strategy& strategy, const Traffic& traffic) {
  std::vector<std::string> reasons;
  for (const Strategy::Term& term : strategy.abort_if) {
    if (names_current(term) && traffic.current.requests == 0) {
      continue;
    }
    if (auto reason = holds(term, traffic)) {
      reasons.push_back(std::move(*reason));
    }
  }
  return reasons;
}

Clock Clock::steady() {
  return {[] { return std::chrono::steady_clock::now(); },
          [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }};
}

namespace {

// Looks at both releases until the rollout knows what comes next.
void watch(Target& target, Rollout& rollout, const ServedRelease& candidate, const ServedRelease& current,
           const RolloutOptions& options) {
  Rollout::Time renewed = options.clock.now();
  while (rollout.phase() == Phase::watch) {
    if (options.interrupted()) {
      throw Error("it was interrupted");
    }
    if (rollout.wants_probe()) {
      for (const ServedRelease* release : {&candidate, &current}) {
        target.probe(*release, rollout.wanted_requests());
      }
    } else {
      options.clock.sleep(look_interval);
    }
    if (const Rollout::Time now = options.clock.now(); now - renewed >= renewal_interval) {
      target.renew_weight();
      renewed = now;
    }
    const Traffic traffic = target.traffic();
    options.looked(rollout, traffic);
    rollout.observed(traffic, options.clock.now());
  }
}

}  // namespace

Rollout roll_out(Target& target, const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
                 const RolloutOptions& options) {
  Rollout rollout(previous.has_value(), options.strategy);
  while (!rollout.ended()) {
    options.record(rollout);
    try {
      switch (rollout.phase()) {
        case Phase::bring_up:
          target.bring_up(candidate);
          break;
        case Phase::weigh:
          target.weigh(candidate, *previous, rollout.weight());
          break;
        case Phase::watch:
          watch(target, rollout, candidate, *previous, options);
          continue;
        case Phase::shift:
          target.shift(candidate);
          break;
        case Phase::settle:
          target.settle(candidate);
          break;
        case Phase::withdraw:
          target.withdraw(*previous);
          break;
        case Phase::promoted:
        case Phase::aborted:
          break;
      }
      rollout.effect_succeeded(options.clock.now());
    } catch (const Error& error) {
      rollout.effect_failed(error.hint().empty() ? error.what()
                                                 : fmt::format("{}\n{}", error.what(), error.hint()));
    }
  }
  options.record(rollout);
  return rollout;
}

}  // namespace mlpipe
