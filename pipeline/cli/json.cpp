#include "pipeline/cli/json.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr int indent = 2;

const char* name_of(Effects::Publish publish) {
  using Publish = Effects::Publish;
  switch (publish) {
    case Publish::none:
      return "none";
    case Publish::unchanged:
      return "unchanged";
    case Publish::publish:
      return "publish";
    case Publish::move:
      return "move";
    case Publish::set_aside:
      return "set_aside";
    case Publish::undecided:
      return "undecided";
  }
  return "";
}

const char* name_of(Effects::Rollout rollout) {
  using Rollout = Effects::Rollout;
  switch (rollout) {
    case Rollout::none:
      return "none";
    case Rollout::unchanged:
      return "unchanged";
    case Rollout::start:
      return "start";
    case Rollout::update:
      return "update";
    case Rollout::restart:
      return "restart";
    case Rollout::undecided:
      return "undecided";
  }
  return "";
}

void add_outputs(const Result& result, Json& list) {
  for (const Output& output : result.outputs) {
    list.push_back({{"name", output.name},
                    {"kind", output.folder ? "tree" : "file"},
                    {"digest", "sha256:" + output.digest.hex()},
                    {"bytes", output.bytes}});
  }
}

Json to_json(const PlannedStep& planned) {
  Json json{{"step", planned.step->name},
            {"kind", planned.step->kind()},
            {"state", name_of(planned.state)},
            {"reasons", planned.reasons},
            {"derivation", planned.derivation.hex()}};
  if (!planned.step->group.empty()) {
    json["group"] = planned.step->group;
    json["matrix"] = planned.step->matrix;
  }
  if (planned.retries > 0) {
    json["retries"] = planned.retries;
  }
  if (planned.action) {
    json["action_key"] = planned.action_key.hex();
  }
  if (planned.step->select != Selector{}) {
    json["select"] = planned.step->select.text();
  }
  if (planned.result || !planned.chosen.empty()) {
    const Result& shown = planned.result ? *planned.result : planned.chosen.back();
    json["seconds"] = std::chrono::duration<double>(shown.finished - shown.started).count();
    json["metrics"] = planned.chosen.empty() ? shown.metrics : planned.metrics();
    json["results"] = Json::array();
    json["outputs"] = Json::array();
    for (const Result& result : planned.chosen) {
      json["results"].push_back(result_id(result).hex());
      add_outputs(result, json["outputs"]);
    }
  }
  if (planned.result) {
    json["ran"] = {{"result", result_id(*planned.result).hex()}, {"metrics", planned.result->metrics}};
    if (!planned.result->succeeded) {
      json["failure"] = planned.result->failure;
    }
  }
  if (!planned.kept.empty()) {
    json["kept"] = planned.kept;
  }
  return json;
}

Json to_json(const Effects& effects) {
  Json json{{"publish", {{"action", name_of(effects.publish)}, {"reason", effects.publish_reason}}},
            {"rollout", {{"action", name_of(effects.rollout)}, {"reason", effects.rollout_reason}}}};
  if (effects.version != 0) {
    json["publish"]["version"] = effects.version;
  }
  return json;
}

Json to_json(const Release& release, const Registry& registry) {
  Json aliases = Json::array();
  for (const auto& [alias, version] : registry.aliases(release.model)) {
    if (version == release.version) {
      aliases.push_back(alias);
    }
  }
  return {{"model", release.model},
          {"version", release.version},
          {"digest", "sha256:" + release.artifact.digest.hex()},
          {"bytes", release.artifact.bytes},
          {"in_store", registry.has_files(release)},
          {"aliases", std::move(aliases)},
          {"metrics", release.metrics},
          {"published", format_time(release.published)},
          {"provenance", Json::parse(release.provenance)}};
}

template <typename Steps>
Json steps_to_json(const Steps& steps) {
  Json list = Json::array();
  for (const PlannedStep& planned : steps) {
    list.push_back(to_json(planned));
  }
  return list;
}

}  // namespace

std::string plan_json(const Plan& plan, const Effects& effects, const Spec& spec,
                      const std::vector<ClusterChange>& changes) {
  Json json{{"pipeline", spec.name}, {"steps", steps_to_json(plan.steps())}, {"effects", to_json(effects)}};
  for (const ClusterChange& change : changes) {
    json["cluster"].push_back({{"object", change.object}, {"lines", change.lines}});
  }
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string faults_json(const std::string& file, const std::vector<Diagnostic>& faults) {
  Json list = Json::array();
  for (const Diagnostic& fault : faults) {
    list.push_back(
        {{"line", fault.line}, {"column", fault.column}, {"message", fault.message}, {"hint", fault.hint}});
  }
  return Json{{"file", file}, {"faults", std::move(list)}}.dump(indent, ' ', false,
                                                                Json::error_handler_t::replace) +
         "\n";
}

std::string run_json(const RunReport& report) {
  Json json{{"pipeline", report.spec->name},      {"outcome", name_of(report.outcome)},
            {"changed", report.changed},          {"steps", steps_to_json(report.steps)},
            {"effects", to_json(report.effects)}, {"gate", {{"unmet", report.gate_failures}}}};
  if (report.release) {
    json["release"] = {{"model", report.release->model},
                       {"version", report.release->version},
                       {"digest", "sha256:" + report.release->artifact.digest.hex()},
                       {"new", report.new_version}};
  }
  if (report.serving) {
    json["serving"] = {{"model", report.serving->model}, {"version", report.serving->version}};
  }
  if (!report.rollout_failure.empty()) {
    json["rollout_failure"] = report.rollout_failure;
  }
  if (!report.address.empty()) {
    json["address"] = report.address;
  }
  return json.dump(indent) + "\n";
}

std::string release_json(const Release& release, const Registry& registry) {
  return to_json(release, registry).dump(indent) + "\n";
}

std::string releases_json(const std::vector<Release>& releases, const Registry& registry) {
  Json list = Json::array();
  for (const Release& release : releases) {
    list.push_back(to_json(release, registry));
  }
  return list.dump(indent) + "\n";
}

}  // namespace mlpipe
