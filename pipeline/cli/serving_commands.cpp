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
#include "pipeline/cli/find_store.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/http.hpp"
#include "pipeline/deploy/local_target.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr const char* stopped = "stopped";
constexpr std::uint64_t largest_request = std::uint64_t{64} << 20U;

LocalTarget target_of(const Store& store, const std::string& alias) {
  return LocalTarget::existing(store.deployment_directory(alias), Programs::beside_this_one().agent);
}

DeploymentRecord only_deployment(const Invocation& invocation, const Store& store) {
  std::vector<DeploymentRecord> all = deployments(store);
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const DeploymentRecord& record : all) {
    names.push_back(record.alias);
  }
  if (const auto named = invocation.value("--alias")) {
    for (DeploymentRecord& record : all) {
      if (record.alias == *named) {
        return std::move(record);
      }
    }
    throw UsageError(fmt::format("there is no deployment '{}'", printable(*named)),
                     suggest_name(*named, names));
  }
  if (all.empty()) {
    throw UsageError("nothing has been deployed from this store", "`mlpipe run` deploys");
  }
  if (all.size() > 1) {
    throw UsageError("there are several deployments: choose one with --alias", join(names, ", "));
  }
  return std::move(all.front());
}

Json to_json(const DeploymentRecord& record, const ServingState& serving) {
  Json json{{"alias", record.alias},      {"model", record.model}, {"target", record.target},
            {"running", serving.running}, {"phase", record.phase}, {"changed", format_time(record.changed)}};
  if (serving.running) {
    json["version"] = parse_integer(serving.version).value_or(0);
    json["address"] = serving.address;
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
    const ServingState serving = target_of(store, record.alias).observe();
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
  const ServingState serving = target_of(store, record.alias).observe();
  if (!serving.running) {
    throw Error(fmt::format("{} is not running", record.alias), "`mlpipe run` starts it");
  }
  const std::string body = request_body(*invocation.value("DATA"));
  const std::size_t scheme = std::string("http://").size();
  const std::size_t colon = serving.address.rfind(':');
  const auto answer =
      http_post(serving.address.substr(scheme, colon - scheme),
                static_cast<int>(parse_integer(serving.address.substr(colon + 1)).value_or(0)), "/predict",
                body, "", 60s);
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
    LocalTarget target = target_of(store, record.alias);
    const bool was_running = target.observe().running;
    target.stop();
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
