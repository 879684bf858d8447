#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/base/time.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/with_plan.hpp"
#include "pipeline/store/history.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;
using State = PlannedStep::State;

// One result that stands for a step, and where it came from.
struct Standing {
  Result result;
  std::optional<History::Origin> origin;  // nothing: its run was cut off, or is not in this store
};

// One step on the way to what really changed.
struct Cause {
  const PlannedStep* planned = nullptr;
  std::size_t depth = 0;
  std::vector<Standing> standing;
  std::vector<std::string> caused_by;  // the steps before it that its state follows from
};

class Causes {
 public:
  Causes(const Plan& plan, const Spec& spec, const Store* store) : plan_(plan), spec_(spec), store_(store) {}

  // The step first, then what it follows from, depth first; each step once.
  std::vector<Cause> of(const PlannedStep& step) const {
    std::vector<Cause> found;
    std::set<const PlannedStep*> seen;
    std::vector<std::pair<const PlannedStep*, std::size_t>> ahead = {{&step, 0}};
    while (!ahead.empty()) {
      const auto [planned, depth] = ahead.back();
      ahead.pop_back();
      if (!seen.insert(planned).second) {
        continue;
      }
      found.push_back(look_at(*planned, depth));
      const std::vector<std::string>& names = found.back().caused_by;
      for (auto name = names.rbegin(); name != names.rend(); ++name) {
        ahead.emplace_back(plan_.find(*name), depth + 1);
      }
    }
    return found;
  }

 private:
  Cause look_at(const PlannedStep& planned, std::size_t depth) const {
    Cause cause{&planned, depth, standing_of(planned), {}};
    for (const std::string& name : spec_.upstream(*planned.step)) {
      if (follows_from(planned, cause.standing, *plan_.find(name))) {
        cause.caused_by.push_back(name);
      }
    }
    return cause;
  }

  std::vector<Standing> standing_of(const PlannedStep& planned) const {
    std::vector<Standing> found;
    for (const Result& result : planned.chosen) {
      found.push_back({result, store_ != nullptr ? History(*store_).origin(result.id) : std::nullopt});
    }
    return found;
  }

  bool follows_from(const PlannedStep& planned, const std::vector<Standing>& standing,
                    const PlannedStep& before) const {
    if (before.state == State::failed || before.state == State::blocked) {
      return planned.state == State::blocked;
    }
    if (before.state != State::cached) {
      return planned.state != State::cached;
    }
    if (planned.state == State::run) {
      return input_changed(planned, before.step->name);
    }
    // Both are there: the one follows from the other when the same run computed them.
    const std::vector<Standing> earlier = standing_of(before);
    return planned.state == State::cached && !earlier.empty() && earlier.back().origin &&
           standing.back().origin && earlier.back().origin->run.number == standing.back().origin->run.number;
  }

  // Whether the step last ran with other bytes of that step's outputs, or in another image.
  bool input_changed(const PlannedStep& planned, const std::string& before) const {
    const auto last =
        store_ != nullptr ? store_->last_realization(spec_.name, planned.step->name) : std::nullopt;
    if (!last) {
      return false;
    }
    const std::vector<Field>& fields = last->action.fields();
    return std::any_of(
        planned.action->fields().begin(), planned.action->fields().end(), [&](const Field& field) {
          const bool is_of_it = field.tag == "input" ? field.name.starts_with(before + "/")
                                                     : field.tag == "image" && field.name == before;
          return is_of_it && std::find(fields.begin(), fields.end(), field) == fields.end();
        });
  }

  const Plan& plan_;
  const Spec& spec_;
  const Store* store_;
};

std::string standing_text(const Standing& standing) {
  const Result& result = standing.result;
  std::string text = fmt::format(
      "result {}, computed {} in {}", result_id(result).short_hex(), format_local_time(result.finished),
      format_duration(
          std::chrono::duration_cast<std::chrono::milliseconds>(result.finished - result.started)));
  if (standing.origin) {
    text += fmt::format(" by run {}", standing.origin->run.number);
    if (!standing.origin->step.reasons.empty()) {
      text += fmt::format(": {}", printable(join(standing.origin->step.reasons, ", ")));
    }
  }
  return text;
}

void print_text(const std::vector<Cause>& causes) {
  constexpr std::size_t deepest = 30;  // what is deeper stands below it
  for (const Cause& cause : causes) {
    const std::string indent(2 * std::min(cause.depth, deepest), ' ');
    const PlannedStep& planned = *cause.planned;
    fmt::print("{}{}  {}{}{}\n", indent, planned.step->name, name_of(planned.state),
               planned.reasons.empty() ? "" : ": ", printable(join(planned.reasons, ", ")));
    for (const Standing& standing : cause.standing) {
      fmt::print("{}  {}\n", indent, standing_text(standing));
    }
    if (!cause.standing.empty()) {
      fmt::print("{}  chosen by {}\n", indent, planned.step->select.text());
    }
  }
}

Json to_json(const Standing& standing) {
  const Result& result = standing.result;
  Json json{{"id", result_id(result).hex()},
            {"computed", format_time(result.finished)},
            {"seconds", std::chrono::duration<double>(result.finished - result.started).count()},
            {"metrics", result.metrics}};
  if (standing.origin) {
    json["run"] = standing.origin->run.number;
    json["reasons"] = standing.origin->step.reasons;
  }
  return json;
}

void print_json(const std::vector<Cause>& causes) {
  Json list = Json::array();
  for (const Cause& cause : causes) {
    const PlannedStep& planned = *cause.planned;
    Json json{{"step", planned.step->name}, {"state", name_of(planned.state)},
              {"reasons", planned.reasons}, {"select", planned.step->select.text()},
              {"results", Json::array()},   {"caused_by", cause.caused_by}};
    for (const Standing& standing : cause.standing) {
      json["results"].push_back(to_json(standing));
    }
    list.push_back(std::move(json));
  }
  fmt::print("{}\n", Json{{"step", causes.front().planned->step->name}, {"causes", list}}.dump(2));
}

void print_key(const PlannedStep& planned, bool json) {
  const std::string& name = planned.step->name;
  if (!planned.action) {
    throw Error(fmt::format("the key of {} is not known yet: {}", name, join(planned.reasons, ", ")),
                "a key holds the bytes of the step's inputs, and the steps before it have not all run");
  }
  if (!json) {
    fmt::print("{}key {}\n", printable(planned.action->text()), planned.action_key.hex());
    return;
  }
  Json fields = Json::array();
  for (const Field& field : planned.action->fields()) {
    fields.push_back({{"tag", field.tag}, {"name", field.name}, {"value", field.value}});
  }
  fmt::print("{}\n", Json{{"step", name},
                          {"derivation", planned.derivation.hex()},
                          {"action_key", planned.action_key.hex()},
                          {"fields", std::move(fields)},
                          {"text", planned.action->text()}}
                         .dump(2));
}

}  // namespace

int why_command(const Invocation& invocation) {
  with_plan(invocation, [&](const Plan& plan, const Effects&, const Spec& spec) {
    const PlannedStep& planned = planned_step(plan, *invocation.value("STEP"));
    if (invocation.has("--key")) {
      print_key(planned, invocation.json());
      return;
    }
    const std::optional<Store> store = Store::open_to_read(Store::default_directory(spec.project));
    const std::vector<Cause> causes = Causes(plan, spec, store ? &*store : nullptr).of(planned);
    if (invocation.json()) {
      print_json(causes);
    } else {
      print_text(causes);
    }
  });
  return 0;
}

}  // namespace mlpipe
