#include "pipeline/oci/engine.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

// The settings of a container that are an image's own; the others are of the container that a builder ran.
constexpr std::array<const char*, 12> settings = {"User",       "ExposedPorts", "Env",        "Entrypoint",
                                                  "Cmd",        "Volumes",      "WorkingDir", "Labels",
                                                  "StopSignal", "Healthcheck",  "Shell",      "OnBuild"};

bool says_something(const json& value) {
  return !value.is_null() && !(value.is_string() && value.get<std::string>().empty()) &&
         !((value.is_object() || value.is_array()) && value.empty());
}

std::string config_of(const json& image) {
  ordered_json config;
  const std::array<std::array<const char*, 2>, 4> names = {
      {{"created", "Created"}, {"architecture", "Architecture"}, {"variant", "Variant"}, {"os", "Os"}}};
  for (const auto& [to, from] : names) {
    if (image.contains(from) && says_something(image[from])) {
      config[to] = image[from];
    }
  }
  ordered_json kept = ordered_json::object();
  const json own = image.value("Config", json::object());
  for (const char* setting : settings) {
    if (own.is_object() && own.contains(setting) && says_something(own[setting])) {
      kept[setting] = own[setting];
    }
  }
  if (image.contains("HealthCheck") && says_something(image["HealthCheck"])) {  // podman's place for it
    kept["Healthcheck"] = image["HealthCheck"];
  }
  config["config"] = std::move(kept);
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", image.at("RootFS").at("Layers")}};
  return config.dump();
}

std::string as_id(const std::string& text) {
  return text.starts_with("sha256:") ? text : "sha256:" + text;
}

}  // namespace

Engine Engine::find(const std::string& name, const Environment& environment) {
  for (const char* known : {"docker", "podman"}) {
    const std::string program = name.empty() ? known : name;
    if (!name.empty() && !fs::path(name).filename().string().starts_with(known)) {
      continue;
    }
    try {
      return {find_program(program, environment), std::string_view(known) == "podman", environment};
    } catch (const Error&) {
      if (!name.empty()) {
        throw;
      }
    }
  }
  if (!name.empty()) {
    throw UsageError(fmt::format("'{}' is no container engine", printable(name)), "known: docker, podman");
  }
  throw Error("there is no container engine: neither docker nor podman is in PATH", "install one of them");
}

Captured Engine::call(std::vector<std::string> arguments, int standard_input) const {
  Command command;
  arguments.insert(arguments.begin(), program_.string());
  command.arguments = std::move(arguments);
  command.environment = environment_;
  if (standard_input < 0) {
    return run_and_capture(std::move(command));
  }
  const FileDescriptor output = memory_file("");
  const FileDescriptor error = memory_file("");
  command.standard_input = standard_input;
  command.standard_output = output.get();
  command.standard_error = error.get();
  const ProcessEnding ending = Process::start(command).wait();
  return {ending, read_file(fmt::format("/proc/self/fd/{}", output.get())),
          read_file(fmt::format("/proc/self/fd/{}", error.get()))};
}

std::string Engine::call_or_throw(const std::vector<std::string>& arguments, int standard_input) const {
  Captured captured = call(arguments, standard_input);
  if (!captured.ending.succeeded()) {
    constexpr std::size_t few = 5;
    const std::string said = last_lines(trim(captured.error), few);
    throw Error(fmt::format("{} {}: {}", name(), arguments.front(),
                            said.empty() ? describe(captured.ending) : printable(said)));
  }
  return std::move(captured.output);
}

bool Engine::has(const std::string& image) const {
  return call({"image", "inspect", "--format", "{{.Id}}", "--", image}).ending.succeeded();
}

EngineImage Engine::inspect(const std::string& image) const {
  const Captured captured = call({"image", "inspect", "--", image});
  if (!captured.ending.succeeded()) {
    const std::string said(trim(captured.error));
    const bool unknown =
        said.find("o such image") != std::string::npos || said.find("image not known") != std::string::npos;
    const std::string message =
        fmt::format("{} has no image {}: {}", name(), printable(image), printable(last_lines(said, 1)));
    if (unknown) {
      throw UsageError(fmt::format("{} has no image {}", name(), printable(image)),
                       fmt::format("`{} image ls` lists those that it has", name()));
    }
    throw Error(message, fmt::format("is {} running, and may you use it?", name()));
  }
  const json document = json::parse(captured.output, nullptr, false);
  try {
    const json& found = document.at(0);
    EngineImage result{as_id(found.at("Id").get<std::string>()), config_of(found), {}};
    for (const json& tag : found.value("RepoTags", json()).is_array() ? found["RepoTags"] : json::array()) {
      result.tags.push_back(tag.get<std::string>());
    }
    return result;
  } catch (const json::exception&) {
    throw Error(fmt::format("{} image inspect {}: what it prints is no description of an image", name(),
                            printable(image)));
  }
}

void Engine::load(const fs::path& path) const {
  if (podman_) {
    call_or_throw({"load", "--quiet", "--input", path.string()});
  } else {
    const FileDescriptor archive = open_file(path, O_RDONLY);
    call_or_throw({"load", "--quiet"}, archive.get());
  }
}

void Engine::tag(const std::string& image, const std::string& name) const {
  call_or_throw({"tag", image, name});
}

void Engine::untag(const std::string& name) const {
  call_or_throw({"rmi", name});
}

void Engine::push(const std::string& name, bool plain_http) const {
  std::vector<std::string> arguments = {"push", "--quiet"};
  if (podman_ && plain_http) {
    arguments.emplace_back("--tls-verify=false");
  }
  arguments.push_back(name);
  call_or_throw(arguments);
}

std::string Engine::build(const Build& build) const {
  std::vector<std::string> arguments = {"build", "--quiet", "--tag", build.tag};
  if (podman_) {
    arguments.insert(arguments.end(), {"--format", "docker"});  // OCI's has no HEALTHCHECK
  }
  for (const auto& [name, value] : build.labels) {
    arguments.insert(arguments.end(), {"--label", fmt::format("{}={}", name, value)});
  }
  arguments.push_back(build.folder.string());
  return as_id(std::string(trim(call_or_throw(arguments))));
}

}  // namespace mlpipe
