#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_deployment.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/existing_target.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* stopped = "stopped";
constexpr std::uint64_t largest_request = std::uint64_t{64} << 20U;

std::unique_ptr<Target> target_of(const Store& store, const DeploymentRecord& record) {
  return existing_target(store, record, Programs::beside_this_one());
}

// A deployment that was stopped has nothing to be asked of, maybe not even the engine that it was on.
ServingState observe(const Store& store, const DeploymentRecord& record) {
  return record.phase == stopped ? ServingState{} : target_of(store, record)->observe();
}

Json to_json(const DeploymentRecord& record, const ServingState& serving) {
  Json json{{"alias", record.alias},      {"model", record.model}, {"target", record.target},
            {"running", serving.running}, {"phase", record.phase}, {"changed", format_time(record.changed)}};
  if (serving.running) {
    json["version"] = parse_integer(serving.version).value_or(0);
    json["address"] = serving.address;
  }
  if (!serving.fault.empty()) {
    json["fault"] = serving.fault;
  }
  for (const ServedReplica& replica : serving.replicas) {
    json["replicas"].push_back({{"name", replica.name},
                                {"version", parse_integer(replica.version).value_or(0)},
                                {"state", replica.state},
                                {"weight", replica.weight}});
  }
  return json;
}

// "5.1, red": numbers as numbers, everything else as text.
Json values_in(std::string_view text) {
  Json values = Json::array();
  for (const std::string& part : split(text, ',')) {
    const std::string word(trim(part));
    const Json value = Json::parse(word, nullptr, false);
    values.push_back(value.is_number() || value.is_string() ? value : Json(word));
  }
  return values;
}

// The body for /predict: an object as it is, a list as its data, plain values as one example.
std::string request_body(const std::string& data) {
  std::string text = data;
  if (data == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  } else if (data.starts_with("@")) {
    const auto bytes = read_file_if_exists(data.substr(1), largest_request);
    if (!bytes) {
      throw UsageError(fmt::format("{}: there is no such file", printable(data.substr(1))));
    }
    text = *bytes;
  }
  Json json = Json::parse(text, nullptr, false);
  const std::string_view plain = trim(text);
  if (json.is_discarded() && !plain.empty() && plain.find_first_of("[]{}\n") == std::string_view::npos) {
    json = values_in(plain);
  }
  if (json.is_object()) {
    return json.dump();
  }
  if (json.is_number() || json.is_string()) {
    json = Json::array({json});
  }
  if (!json.is_array()) {
    throw UsageError("the data is neither JSON nor comma-separated values",
                     "as in: mlpipe predict 5.1,3.5,1.4,0.2");
  }
  return Json{{"data", json}}.dump();
}

void print_prediction(const Json& answer) {
  const Json& prediction = answer.at("prediction");
  if (prediction.is_array()) {  // of a regression with several targets
    std::vector<std::string> values;
    for (const Json& value : prediction) {
      values.push_back(value.dump());
    }
    fmt::print("{}\n", join(values, ", "));
    return;
  }
  const std::string text = prediction.is_string() ? prediction.get<std::string>() : prediction.dump();
  if (answer.contains("scores")) {
    fmt::print("{}  ({:.1f} %)\n", printable(text), answer["scores"].value(text, 0.0) * 100);
  } else if (answer.contains("margins")) {
    fmt::print("{}  (margin {:.3g})\n", printable(text), answer["margins"].value(text, 0.0));
  } else {
    fmt::print("{}\n", printable(text));
  }
}

}  // namespace

int status_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  Json list = Json::array();
  for (const DeploymentRecord& record : deployments(store)) {
    const ServingState serving = observe(store, record);
    list.push_back(to_json(record, serving));
    if (invocation.json()) {
      continue;
    }
    if (serving.running) {
      fmt::print("{}  {}:{}  serving at {}\n", record.alias, record.model, serving.version, serving.address);
    } else {
      fmt::print("{}  {}:{}  {}\n", record.alias, record.model, record.version,
                 record.phase == stopped ? "stopped" : "not running; `mlpipe run` starts it again");
    }
    for (const ServedReplica& replica : serving.replicas) {
      fmt::print("  {}  release {}  {}  {} % of the traffic\n", replica.name, replica.version, replica.state,
                 replica.weight);
    }
    if (!serving.fault.empty()) {
      fmt::print("  {}; `mlpipe run` mends it\n", serving.fault);
    }
    if (record.phase != "serving" && record.phase != stopped && record.phase != "aborted") {
      fmt::print("  a rollout to version {} was cut off at '{}'; `mlpipe run` goes on with it\n",
                 record.version, record.phase);
    }
  }
  if (invocation.json()) {
    fmt::print("{}\n", list.dump(2));
  } else if (list.empty()) {
    fmt::print("nothing has been deployed from this store\n");
  }
  return 0;
}

int predict_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const DeploymentRecord record = only_deployment(invocation, store);
  const std::unique_ptr<Target> target = record.phase == stopped ? nullptr : target_of(store, record);
  const ServingState serving = target ? target->observe() : ServingState{};
  if (!serving.running) {
    throw Error(fmt::format("{} is not running", record.alias), "`mlpipe run` starts it");
  }
  const auto answer = target->ask("/predict", request_body(*invocation.value("DATA")));
  if (!answer) {
    throw Error(fmt::format("{} did not answer at {}", record.alias, serving.address));
  }
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !json.is_object()) {
    const std::string reason = json.is_object() ? json.value("error", "") : "";
    throw UsageError(
        fmt::format("the server refused the request: {}",
                    reason.empty() ? fmt::format("status {}", answer->status) : printable(reason)));
  }
  if (invocation.json()) {
    fmt::print("{}\n", json.dump(2));
  } else if (json.contains("predictions")) {
    for (const Json& prediction : json["predictions"]) {
      print_prediction(prediction);
    }
  } else {
    print_prediction(json);
  }
  return 0;
}

int down_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  std::vector<DeploymentRecord> records = deployments(store);
  if (invocation.has("--alias")) {
    records = {only_deployment(invocation, store)};
  }
  Json list = Json::array();
  for (const DeploymentRecord& record : records) {
    const FileLock lock = FileLock::wait(rollout_lock(store, record.alias));
    const bool was_running = observe(store, record).running;
    if (record.phase != stopped) {
      target_of(store, record)->stop();
    }
    record_deployment(store, record.alias, record.model, record.target, record.version, stopped);
    list.push_back({{"alias", record.alias}, {"model", record.model}, {"was_running", was_running}});
    if (!invocation.json()) {
      fmt::print(stderr, "{} {}\n", record.alias, was_running ? "stopped" : "was not running");
    }
  }
  if (invocation.json()) {
    fmt::print("{}\n", list.dump(2));
  } else if (list.empty()) {
    fmt::print(stderr, "nothing has been deployed from this store\n");
  }
  return 0;
}

}  // namespace mlpipe
