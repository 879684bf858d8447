#include "pipeline/cli/find_run.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<std::string>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

RunRecord find_run(const History& history, const std::string& name) {
  const std::vector<RunRecord> last = history.runs(1);
  if (last.empty()) {
    throw UsageError("no run has done anything yet", "`mlpipe run` runs the pipeline");
  }
  if (name == "last") {
    return last.front();
  }
  const auto number = parse_integer(name);
  const auto run = number ? history.find(*number) : std::nullopt;
  if (!run) {
    throw UsageError(fmt::format("there is no run '{}'", printable(name)),
                     fmt::format("the last one is {}; `mlpipe runs` lists them", last.front().number));
  }
  return *run;
}

std::map<std::string, ValueChange> changed_values(const std::map<std::string, std::string>& before,
                                                  const std::map<std::string, std::string>& after) {
  std::map<std::string, ValueChange> changes;
  for (const auto& [name, value] : before) {
    changes[name].before = value;
  }
  for (const auto& [name, value] : after) {
    changes[name].after = value;
  }
  std::erase_if(changes, [](const auto& entry) { return entry.second.before == entry.second.after; });
  return changes;
}

std::map<std::string, ValueChange> changed_values(const std::map<std::string, double>& before,
                                                  const std::map<std::string, double>& after) {
  const auto texts = [](const std::map<std::string, double>& values) {
    std::map<std::string, std::string> found;
    for (const auto& [name, value] : values) {
      found[name] = number_text(value);
    }
    return found;
  };
  return changed_values(texts(before), texts(after));
}

Json to_json(const ValueChange& change) {
  return {{"from", or_null(change.before)}, {"to", or_null(change.after)}};
}

Json result_json(const Result& result) {
  Json json{{"id", result_id(result).hex()},
            {"succeeded", result.succeeded},
            {"started", format_time(result.started)},
            {"seconds", std::chrono::duration<double>(result.finished - result.started).count()},
            {"metrics", result.metrics},
            {"outputs", Json::array()}};
  if (!result.succeeded) {
    json["failure"] = result.failure;
  }
  for (const Output& output : result.outputs) {
    json["outputs"].push_back({{"name", output.name},
                               {"kind", output.folder ? "tree" : "file"},
                               {"digest", "sha256:" + output.digest.hex()},
                               {"bytes", output.bytes}});
  }
  return json;
}

std::string shown_metrics(const std::map<std::string, double>& metrics) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : metrics) {
    parts.push_back(fmt::format("{} {:.4g}", printable(name), value));
  }
  return join(parts, "  ");
}

}  // namespace mlpipe
