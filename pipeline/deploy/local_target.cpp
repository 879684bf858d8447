#include "pipeline/deploy/local_target.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/http.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr const char* loopback = "127.0.0.1";
constexpr auto answer_patience = 2s;
constexpr auto load_patience = 120s;
constexpr auto start_patience = 60s;
constexpr auto restart_patience = 5s;
constexpr auto stop_patience = 40s;
constexpr auto poll_interval = 10ms;
constexpr std::size_t log_lines_shown = 20;
constexpr const char* identity_variable = "MLPIPE_SERVER_IDENTITY";

constexpr const char* shape_variable = "MLPIPE_SERVER_SHAPE";
constexpr int usual_port = 8080;

std::string shape_text(const std::string& host, const std::optional<int>& port) {
  return fmt::format("{}:{}", host, port ? std::to_string(*port) : "any");
}

std::string variable_in(const Job& job, const char* name) {
  const auto found = job.environment.find(name);
  return found == job.environment.end() ? "" : found->second;
}

// Whether a server could listen there now.
bool is_free(const std::string& host, int port) {
  const FileDescriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return true;  // a name or IPv6: the agent will find out
  }
  const int reuse = 1;
  ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  return ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(probe.get(), 1) == 0;
}

std::string random_token() {
  std::array<char, Digest::size> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw_errno("making an admin token");
  }
  return digest_of({bytes.data(), bytes.size()}).hex();
}

// An address that a person can open, also when the server listens everywhere.
std::string url_of(const std::string& host, int port) {
  return fmt::format("http://{}:{}", host == "0.0.0.0" ? loopback : host, port);
}

std::string error_in(const HttpAnswer& answer) {
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
  const auto answer = http_get(loopback, port_of("admin"), "/admin/state", admin_token(), answer_patience);
  if (!answer || answer->status != 200) {
    return state;
  }
  const Json json = Json::parse(answer->body, nullptr, false);
  if (json.is_object()) {
    state.running = true;
    state.version = json.value("version", "");
    const std::string name = fs::path(json.value("directory", "")).filename().string();
    if (Digest::is_hex(name)) {
      state.model = Digest::from_hex(name);
    }
  }
  return state;
}

WantedServing LocalTarget::wanted() const {
  return {serving_.server_identity, shape_text(serving_.host, serving_.port)};
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

void LocalTarget::load(const ServedRelease& candidate) {
  const Json request{{"directory", candidate.directory.string()}, {"version", candidate.version}};
  const auto answer =
      http_post(loopback, port_of("admin"), "/admin/load", request.dump(), admin_token(), load_patience);
  if (!answer) {
    throw Error("the server did not answer while it was to load the new release");
  }
  if (answer->status != 200) {
    throw Error(fmt::format("the server could not load the new release: {}", error_in(*answer)));
  }
}

void LocalTarget::shift(const ServedRelease& candidate) {
  const ServingState state = observe();
  if (state.server != serving_.server_identity) {
    write_service(candidate, requested_port());
    const Replacement replacement = replace_service(directory_);
    if (!replacement.replaced) {
      throw Error(fmt::format("the new server program did not get ready: {}", replacement.failure));
    }
    return;
  }
  if (state.model != candidate.model || state.version != candidate.version) {
    load(candidate);
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
  if (observe().model != previous.model) {
    load(previous);
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

}  // namespace mlpipe
