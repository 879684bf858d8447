#include "pipeline/deploy/container_folder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/json_members.hpp"
#include "pipeline/base/quantity.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/address.hpp"
#include "pipeline/deploy/gateway_configuration.hpp"
#include "pipeline/deploy/target.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uid_t user_of_root = 65532;  // "nonroot" of many base images
constexpr const char* record_file = "serving.json";
constexpr const char* configuration_file = "nginx.conf";
constexpr const char* token_file = "admin-token";
constexpr long long lease_unit = 10;  // seconds that a name of lease_name() stands for

// Root's files would be unreadable to the containers' user.
void give_to_containers(const fs::path& path) {
  if (::geteuid() == 0 && ::chown(path.c_str(), ContainerFolder::user(), ContainerFolder::group()) != 0) {
    throw_errno("giving " + path.string() + " to the containers' user");
  }
}

void write_secret(const fs::path& path, std::string_view text) {
  write_file_atomically(path, text, 0600);
  give_to_containers(path);
}

long long seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void each_member(OneOf<Resources> auto& resources, auto&& member) {
  member("cpu", resources.cpu);
  member("memory", resources.memory);
  member("gpu", resources.gpu);
}
void each_member(OneOf<ContainerServing> auto& serving, auto&& member) {
  member("alias", serving.alias);
  member("host", serving.host);
  member("port", serving.port);
  member("engine", serving.engine);
  member("server_image", serving.server_image);
  member("gateway_image", serving.gateway_image);
  member("replicas", serving.replicas);
  member("resources", serving.resources);
  member("command", serving.command);
  member("container_port", serving.container_port);
  member("model_in_image", serving.model_in_image);
}

std::string ContainerServing::place() const {
  return fmt::format("{}:{}", host, port ? std::to_string(*port) : "any");
}

std::string ContainerServing::servers() const {
  std::string text = std::to_string(replicas);
  if (resources.cpu != 0) {
    text += fmt::format(", cpu {}", format_cores(resources.cpu));
  }
  if (resources.memory != 0) {
    text += fmt::format(", memory {}", format_bytes(resources.memory));
  }
  if (resources.gpu) {
    text += fmt::format(", gpu {}", *resources.gpu);
  }
  if (!model_in_image) {
    text += ", model mounted";
  }
  if (!is_own_server()) {
    text += fmt::format(", {} at port {}", join(command, " "), container_port);
  }
  return text;
}

std::string ContainerFolder::identity() const {
  constexpr std::size_t digits = 8;
  return fmt::format("{}-{}", path_.filename().string(),
                     digest_of(fs::weakly_canonical(path_).string()).hex().substr(0, digits));
}

void ContainerFolder::prepare() const {
  for (const fs::path& folder : {gateway() / "lease", secret(), written()}) {
    fs::create_directories(folder);
  }
  give_to_containers(written());
  if (token().empty()) {
    write_secret(secret() / token_file, random_token() + "\n");
  }
}

std::string ContainerFolder::token() const {
  return std::string(trim(read_file_if_exists(secret() / token_file).value_or("")));
}

bool ContainerFolder::has_record() const {
  return fs::exists(path_ / record_file);
}

void ContainerFolder::load(ContainerServing& serving, ContainerState& state) const {
  const fs::path file = path_ / record_file;
  try {
    const Json json = Json::parse(read_file(file));
    serving = from_json_of<ContainerServing>(json.at("serving"));
    const Json& how_far = json.at("state");
    state.port = how_far.at("port");
    state.subnet = how_far.at("subnet");
    state.set = how_far.at("set");
    state.candidate = how_far.at("candidate");
    state.weight = how_far.at("weight");
    state.generation = how_far.at("generation");
  } catch (const Json::exception& fault) {
    throw Error(fmt::format("{}: it is damaged: {}", file.string(), fault.what()),
                "remove it; `mlpipe run` starts the deployment anew");
  }
}

void ContainerFolder::save(const ContainerServing& serving, const ContainerState& state) const {
  const Json json{{"serving", json_of(serving)},
                  {"state",
                   {{"port", state.port},
                    {"subnet", state.subnet},
                    {"set", state.set},
                    {"candidate", state.candidate},
                    {"weight", state.weight},
                    {"generation", state.generation}}}};
  fs::create_directories(path_);
  crash_point("write a container deployment");
  write_file_atomically(path_ / record_file, json.dump(2) + "\n");
  crash_point("wrote a container deployment");
}

bool ContainerFolder::has_configuration() const {
  return fs::exists(gateway() / configuration_file);
}

void ContainerFolder::write_configuration(const std::string& text) const {
  write_secret(gateway() / configuration_file, text);  // it holds the token
}

void ContainerFolder::set_closing(bool closing) const {
  const fs::path flag = gateway() / "closing";
  if (closing) {
    write_file_atomically(flag, "", 0644, Durability::later);
  } else {
    fs::remove(flag);
  }
}

void ContainerFolder::renew_lease() const {
  const long long now = seconds_now();
  const long long last = now + weight_lease.count();
  std::vector<std::string> names;
  for (long long time = now; time <= last; time += lease_unit) {
    names.push_back(lease_name(time));
    write_file_atomically(gateway() / "lease" / names.back(), "", 0644, Durability::later);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(gateway() / "lease")) {
    if (entry.path().filename().string() < names.front()) {
      fs::remove(entry.path());
    }
  }
}

void ContainerFolder::end_lease() const {
  remove_tree(gateway() / "lease");
  fs::create_directories(gateway() / "lease");
}

bool ContainerFolder::lease_holds() const {
  return fs::exists(gateway() / "lease" / lease_name(seconds_now()));
}

void ContainerFolder::remove_traffic() const {
  std::error_code error;
  for (fs::directory_iterator entry(written(), error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(traffic_prefix)) {
      fs::remove(entry->path());
    }
  }
}

void ContainerFolder::remove() const {
  remove_tree(path_);
}

uid_t ContainerFolder::user() {
  return ::geteuid() == 0 ? user_of_root : ::geteuid();
}

gid_t ContainerFolder::group() {
  return ::geteuid() == 0 ? user_of_root : ::getegid();
}

}  // namespace mlpipe
