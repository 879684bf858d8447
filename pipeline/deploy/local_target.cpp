#include "pipeline/deploy/local_target.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/address.hpp"
#include "pipeline/deploy/http.hpp"
#include "pipeline/deploy/probe.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr auto answer_patience = 2s;
constexpr auto load_patience = 120s;
constexpr auto start_patience = 60s;
constexpr auto restart_patience = 5s;
constexpr auto stop_patience = 40s;
constexpr auto poll_interval = 10ms;
constexpr std::size_t log_lines_shown = 20;
constexpr const char* identity_variable = "MLPIPE_SERVER_IDENTITY";

constexpr const char* shape_variable = "MLPIPE_SERVER_SHAPE";

std::string shape_text(const std::string& host, const std::optional<int>& port) {
  return fmt::format("{}:{}", host, port ? std::to_string(*port) : "any");
}

constexpr auto answer_to_people = 60s;
constexpr int all_traffic = 100;

bool is_loaded(const Json& state, const std::string& model, const std::string& version) {
  for (const Json& each : state.value("models", Json::array())) {
    for (const Json& loaded : each.value("versions", Json::array())) {
      if (each.value("name", "") == model && loaded.value("version", "") == version) {
        return true;
      }
    }
  }
  return false;
}

std::string variable_in(const Job& job, const char* name) {
  const auto found = job.environment.find(name);
  return found == job.environment.end() ? "" : found->second;
}

// A server that was deployed serves one version, but during a canary.
std::string fault_in(const Json& state) {
  std::vector<std::string> versions;
  for (const Json& model : state.value("models", Json::array())) {
    for (const Json& version : model.value("versions", Json::array())) {
      versions.push_back(version.value("version", ""));
    }
  }
  return versions.size() < 2
             ? ""
             : fmt::format("a rollout was cut off: releases {} are loaded", join(versions, " and "));
}

std::string error_in(const HttpReply& answer) {
  const Json json = Json::parse(answer.body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) {
    return printable(json["error"].get<std::string>());
  }
  return fmt::format("status {}", answer.status);
}

}  // namespace

LocalTarget::LocalTarget(fs::path directory, LocalServing serving)
    : directory_(std::move(directory)), lock_(directory_.string() + ".lock"), serving_(std::move(serving)) {}

LocalTarget LocalTarget::existing(const fs::path& directory, const fs::path& agent) {
  LocalServing serving;
  serving.alias = directory.filename().string();
  serving.agent = agent;
  if (fs::exists(directory / "job.json")) {
    const Job job = read_job(directory);
    serving.server = job.arguments.front();
    serving.server_identity = variable_in(job, identity_variable);
    const std::vector<std::string> shape = split(variable_in(job, shape_variable), ':');
    serving.host = job.listen.front().host;
    if (const auto port = parse_integer(shape.back())) {
      serving.port = static_cast<int>(*port);
    }
  }
  return {directory, std::move(serving)};
}

bool LocalTarget::is_running() const {
  return FileLock::is_held(lock_);
}

std::string LocalTarget::admin_token() const {
  return std::string(trim(read_file_if_exists(directory_ / "admin-token").value_or("")));
}

int LocalTarget::port_of(const std::string& socket) const {
  for (const Listen& listen : read_listen(directory_)) {
    if (listen.name == socket) {
      return listen.port;
    }
  }
  return 0;
}

// What the running service was started with: the agent keeps a socket for as long as it is asked for in the
// same words.
int LocalTarget::requested_port() const {
  return read_job(directory_).listen.front().port;
}

ServingState LocalTarget::observe() {
  ServingState state;
  if (!is_running()) {
    return state;
  }
  const Job job = read_job(directory_);
  state.server = variable_in(job, identity_variable);
  state.shape = variable_in(job, shape_variable);
  state.address = url_of(job.listen.front().host, port_of("http"));
  const Json json = server_state();
  if (json.is_object()) {
    state.running = true;
    state.version = json.value("version", "");
    state.fault = fault_in(json);
    const std::string name = fs::path(json.value("directory", "")).filename().string();
    if (Digest::is_hex(name)) {
      state.model = Digest::from_hex(name);
    }
  }
  return state;
}

// Null when it does not answer.
Json LocalTarget::server_state() const {
  const auto answer = http_get(loopback, port_of("admin"), "/admin/state", admin_token(), answer_patience);
  return answer && answer->status == 200 ? Json::parse(answer->body, nullptr, false) : Json();
}

WantedServing LocalTarget::wanted() const {
  return {serving_.server_identity, shape_text(serving_.host, serving_.port), "mlpipe-serve", ""};
}

void LocalTarget::write_service(const ServedRelease& release, int port) const {
  Job job;
  job.arguments = {serving_.server.string(),
                   "--model",
                   release.directory.string(),
                   "--version",
                   release.version,
                   "--listen-fd",
                   "{listen:http}",
                   "--admin-listen-fd",
                   "{listen:admin}",
                   "--admin-token-file",
                   (directory_ / "admin-token").string(),
                   "--address-file",
                   (directory_ / "address.json").string()};
  for (const char* name : {"PATH", "HOME"}) {
    if (const char* value = std::getenv(name)) {
      job.environment[name] = value;
    }
  }
  job.environment["LANG"] = "C.UTF-8";
  job.environment[identity_variable] = serving_.server_identity;
  job.environment[shape_variable] = wanted().shape;
  job.work_directory = directory_ / "work";
  job.keep_running = true;
  job.must_get_ready = true;
  job.listen = {{"http", serving_.host, static_cast<std::uint16_t>(port)}, {"admin", loopback, 0}};
  job.ready_file = directory_ / "address.json";
  write_job(directory_, job);
}

void LocalTarget::start(const ServedRelease& candidate) {
  fs::create_directories(directory_ / "work");
  for (const char* stale : {"exit.json", "listen.json", "address.json", "replace.json", "log"}) {
    fs::remove(directory_ / stale);
  }
  if (admin_token().empty()) {
    write_file_atomically(directory_ / "admin-token", random_token() + "\n", 0600);
  }
  write_service(candidate, serving_.port.value_or(is_free(serving_.host, usual_port) ? usual_port : 0));
  start_agent(serving_.agent, directory_, FileLock::wait(lock_));
  wait_until_ready();
}

void LocalTarget::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  std::string failure;
  while (failure.empty()) {
    if (const auto ending = read_ending(directory_)) {
      failure = describe(*ending);
    } else if (const int admin = port_of("admin"); admin != 0 && fs::exists(directory_ / "address.json")) {
      const auto answer = http_get(loopback, admin, "/v2/health/ready", "", answer_patience);
      if (answer && answer->status == 200) {
        return;
      }
    }
    if (std::chrono::steady_clock::now() > deadline) {
      failure = fmt::format("it was not ready after {}", format_duration(start_patience));
    }
    std::this_thread::sleep_for(poll_interval);
  }
  const std::string log = last_lines(read_file_if_exists(log_file()).value_or(""), log_lines_shown);
  stop();
  throw Error(
      fmt::format("the server did not start: {}{}{}", failure, log.empty() ? "" : "\n", printable(log)));
}

// Whether the server answers, with patience for one that is just starting.
bool LocalTarget::answers_soon() {
  const auto deadline = std::chrono::steady_clock::now() + restart_patience;
  while (!observe().running) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return true;
}

void LocalTarget::bring_up(const ServedRelease& candidate) {
  if (is_running()) {
    const Job job = read_job(directory_);
    if (variable_in(job, shape_variable) == wanted().shape && answers_soon()) {
      return;
    }
    stop();  // other sockets cannot be taken over, and what does not answer cannot load
  }
  start(candidate);
}

void LocalTarget::load(const ServedRelease& candidate, const char* takeover) {
  const Json request{
      {"directory", candidate.directory.string()}, {"version", candidate.version}, {"takeover", takeover}};
  const auto answer =
      http_post(loopback, port_of("admin"), "/admin/load", request.dump(), admin_token(), load_patience);
  if (!answer) {
    throw Error("the server did not answer while it was to load the new release");
  }
  if (answer->status != 200) {
    throw Error(fmt::format("the server could not load the new release: {}", error_in(*answer)));
  }
}

void LocalTarget::replace_program(const ServedRelease& release) {
  write_service(release, requested_port());
  const Replacement replacement = replace_service(directory_);
  if (!replacement.replaced) {
    throw Error(fmt::format("the new server program did not get ready: {}", replacement.failure));
  }
}

// A new program takes over with the release that serves, so that only the models are compared.
void LocalTarget::weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) {
  if (observe().server != serving_.server_identity) {
    replace_program(current);
  }
  const Json state = server_state();
  const std::string model = read_model(candidate.directory).name;
  if (!is_loaded(state, model, current.version)) {
    load(current, "replace");
  }
  if (!is_loaded(state, model, candidate.version)) {
    load(candidate, "beside");
  }
  weights_ = Json{{"model", model},
                  {"weights", {{candidate.version, percent}, {current.version, all_traffic - percent}}},
                  {"lease", weight_lease.count()}}
                 .dump();
  candidate_ = candidate.version;
  current_ = current.version;
  post_weights();
  const Json now = server_state();
  candidate_before_ = counts_in(now, candidate_);
  current_before_ = counts_in(now, current_);
}

void LocalTarget::post_weights() const {
  const auto answer =
      http_post(loopback, port_of("admin"), "/admin/weights", weights_, admin_token(), answer_patience);
  if (!answer || answer->status != 200) {
    throw Error(fmt::format("the server did not take the weights: {}",
                            answer ? error_in(*answer) : "it does not answer"));
  }
}

void LocalTarget::renew_weight() {
  post_weights();
}

Traffic LocalTarget::traffic() {
  const Json now = server_state();
  return {counts_in(now, candidate_).since(candidate_before_),
          counts_in(now, current_).since(current_before_)};
}

void LocalTarget::probe(const ServedRelease& release, std::size_t requests) {
  const Model model = read_model(release.directory);
  const std::string host = serving_.host == "0.0.0.0" ? loopback : serving_.host;
  for (std::size_t i = 0; i < requests; ++i) {
    const auto answer = http_post(host, port_of("http"), probe_path(model, release.version),
                                  probe_body(model, i), "", load_patience);
    if (!answer || (answer->status >= 400 && answer->status < 500)) {
      throw Error(fmt::format("release {} cannot be probed: {}", release.version,
                              answer ? error_in(*answer) : "the server does not answer"));
    }
  }
}

void LocalTarget::shift(const ServedRelease& candidate) {
  const ServingState state = observe();
  if (state.server != serving_.server_identity) {
    replace_program(candidate);
  } else if (state.model != candidate.model || state.version != candidate.version || !state.fault.empty()) {
    load(candidate, "replace");
  }
}

void LocalTarget::settle(const ServedRelease& candidate) {
  write_service(candidate, requested_port());
}

void LocalTarget::withdraw(const ServedRelease& previous) {
  if (!is_running()) {
    start(previous);
    return;
  }
  if (const ServingState state = observe(); state.model != previous.model || !state.fault.empty()) {
    load(previous, "replace");
  }
  write_service(previous, requested_port());
}

void LocalTarget::stop() {
  if (!is_running()) {
    return;
  }
  cancel_job(directory_);
  const auto deadline = std::chrono::steady_clock::now() + stop_patience;
  while (is_running()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(fmt::format("the server of {} did not stop within {}", serving_.alias,
                              format_duration(stop_patience)));
    }
    std::this_thread::sleep_for(poll_interval);
  }
}

std::optional<HttpReply> LocalTarget::ask(const std::string& path, std::string_view json) {
  return http_post_to(observe().address, path, json, answer_to_people);
}

}  // namespace mlpipe
