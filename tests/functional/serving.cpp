#include "tests/functional/serving.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/safetensors.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

constexpr const char* example = R"({"data":[1,2,3,4]})";

constexpr const char* serving_pipeline = R"(name: colors
params: { color: red, accuracy: 0.9 }
steps:
  make:
    run: |
      echo make >> @SIDE@/runs
      cp -r colors/${{ params.color }} model
      echo '{"accuracy": ${{ params.accuracy }}}' > metrics.json
    deps: ["colors/${{ params.color }}"]
    outs: [model]
    metrics: [metrics.json]
model:
  name: tiny
  from: ${{ steps.make.outs.model }}
)";

}  // namespace

ServingProject::ServingProject(const std::string& gate) {
  for (const char* color : {"red", "green", "blue"}) {
    write_tiny_model(folder() / "colors" / color, color);
  }
  write_tiny_model(folder() / "colors" / "broken", "red");
  // Whole, but not what its network takes: only the server can tell.
  const fs::path broken = folder() / "colors" / "broken";
  const std::string digest = digest_of_file(broken / "weights.safetensors").hex();
  write_safetensors(broken / "weights.safetensors", {{"0.weight", {1}, {0.0F}}});
  replace("colors/broken/model.yaml", digest, digest_of_file(broken / "weights.safetensors").hex());
  pipeline(fmt::format("{}{}deploy: {{ alias: prod, port: 0 }}\n", serving_pipeline,
                       gate.empty() ? "" : fmt::format("  gate: {}\n", gate)));
}

Captured ServingProject::run(const std::string& color, int status, const std::string& accuracy) const {
  Captured captured = mlpipe({"run", "--set", "color=" + color, "--set", "accuracy=" + accuracy});
  EXPECT_TRUE(exits(captured, status));
  return captured;
}

Address address_of(const std::string& url) {
  const std::string prefix = "http://";
  const std::size_t colon = url.rfind(':');
  if (!url.starts_with(prefix) || colon < prefix.size()) {
    throw std::runtime_error("'" + url + "' is no address");
  }
  return {url.substr(prefix.size(), colon - prefix.size()), std::stoi(url.substr(colon + 1))};
}

Json status_of(const Project& project) {
  const Json list = project.json({"status", "--json"});
  EXPECT_EQ(list.size(), 1U) << list.dump(2);
  return list.at(0);
}

Json answer_of(const std::string& url) {
  const Address address = address_of(url);
  httplib::Client client(address.host, address.port);
  const httplib::Result result = client.Post("/predict", example, "application/json");
  if (!result || result->status != 200) {
    throw std::runtime_error(result ? fmt::format("{} answered {}: {}", url, result->status, result->body)
                                    : fmt::format("{} does not answer", url));
  }
  return Json::parse(result->body);
}

Json admin_state(const Project& project, const std::string& alias) {
  const fs::path deployment = project.store() / "deployments" / alias;
  const int port = entry_of(Json::parse(read_file(deployment / "listen.json")), "name", "admin").at("port");
  httplib::Client client("127.0.0.1", port);
  const std::string token(trim(read_file(deployment / "admin-token")));
  const httplib::Result result = client.Get("/admin/state", {{"Authorization", "Bearer " + token}});
  if (!result || result->status != 200) {
    throw std::runtime_error("the admin port does not answer");
  }
  return Json::parse(result->body);
}

std::vector<pid_t> servers_of(const Project& project) {
  std::vector<pid_t> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    const std::string line = name.find_first_not_of("0123456789") == std::string::npos
                                 ? read_file_if_exists(entry.path() / "cmdline").value_or("")
                                 : "";
    if (line.substr(0, line.find('\0')).ends_with("/mlpipe-serve") &&
        line.find(project.store().string()) != std::string::npos) {
      pids.push_back(std::stoi(name));
    }
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

RestlessClient::RestlessClient(const std::string& url, std::string body)
    : body_(body.empty() ? example : std::move(body)) {
  for (const bool keep_alive : {true, false}) {
    threads_.emplace_back([this, keep_alive, address = address_of(url)] { ask_on(address, keep_alive); });
  }
}

RestlessClient::~RestlessClient() {
  stop();
}

void RestlessClient::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void RestlessClient::ask_on(const Address& address, bool keep_alive) {
  httplib::Client client(address.host, address.port);
  client.set_keep_alive(keep_alive);
  while (!stopping_) {
    const httplib::Result result = client.Post("/predict", body_, "application/json");
    const std::lock_guard lock(mutex_);
    if (result && result->status == 200) {
      const Json prediction = Json::parse(result->body).at("prediction");
      ++answers_[prediction.is_string() ? prediction.get<std::string>() : prediction.dump()];
    } else {
      failures_.push_back(result ? fmt::format("{} {}", result->status, result->body)
                                 : httplib::to_string(result.error()));
    }
    ++asked_;
  }
}

void RestlessClient::wait_for_answers(std::size_t count) const {
  const std::size_t enough = asked_ + count;
  wait_until("the server has answered", [&] { return asked_ >= enough; });
}

std::vector<std::string> RestlessClient::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

std::map<std::string, std::size_t> RestlessClient::answers() const {
  const std::lock_guard lock(mutex_);
  return answers_;
}

}  // namespace mlpipe
