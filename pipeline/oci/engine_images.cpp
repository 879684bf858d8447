#include "pipeline/oci/engine_images.hpp"

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

EngineImage inspect_image(const Engine& engine, const std::string& image) {
  const Captured captured = engine.run({"image", "inspect", "--", image});
  if (!captured.ending.succeeded()) {
    if (!engine.image_id(image)) {  // throws what is wrong with the engine, if anything
      throw UsageError(fmt::format("{} has no image {}", engine.name(), printable(image)),
                       fmt::format("`{} image ls` lists those that it has", engine.name()));
    }
    throw engine.failure(fmt::format("looking at the image {}", printable(image)), captured);
  }
  const json document = json::parse(captured.output, nullptr, false);
  try {
    const json& found = document.at(0);
    EngineImage result{as_id(found.at("Id").get<std::string>()), config_of(found), {}};
    if (const auto tags = found.find("RepoTags"); tags != found.end() && tags->is_array()) {
      result.tags = tags->get<std::vector<std::string>>();
    }
    return result;
  } catch (const json::exception&) {
    throw Error(fmt::format("{} image inspect {}: what it prints is no description of an image",
                            engine.name(), printable(image)));
  }
}

void load_image(const Engine& engine, const fs::path& path) {
  if (engine.kind() == EngineKind::podman) {
    engine.ask({"load", "--quiet", "--input", path.string()});
    return;
  }
  // By a descriptor: the archive may be larger than the memory.
  const FileDescriptor archive = open_file(path, O_RDONLY);
  const FileDescriptor output = memory_file("");
  const FileDescriptor error = memory_file("");
  Command command = engine.command({"load", "--quiet"});
  command.standard_input = archive.get();
  command.standard_output = output.get();
  command.standard_error = error.get();
  const ProcessEnding ending = Process::start(command).wait();
  if (!ending.succeeded()) {
    throw engine.failure("loading an image",
                         {ending, "", read_file(fmt::format("/proc/self/fd/{}", error.get()))});
  }
}

void tag_image(const Engine& engine, const std::string& image, const std::string& name) {
  engine.ask({"tag", image, name});
}

void untag_image(const Engine& engine, const std::string& name) {
  engine.ask({"rmi", name});
}

void push_image(const Engine& engine, const std::string& name, bool plain_http) {
  std::vector<std::string> arguments = {"push", "--quiet"};
  if (engine.kind() == EngineKind::podman && plain_http) {
    arguments.emplace_back("--tls-verify=false");
  }
  arguments.push_back(name);
  engine.ask(std::move(arguments));
}

std::string build_image(const Engine& engine, const fs::path& folder,
                        const std::map<std::string, std::string>& labels, const std::string& tag) {
  std::vector<std::string> arguments = {"build", "--quiet", "--tag", tag};
  if (engine.kind() == EngineKind::podman) {
    arguments.insert(arguments.end(), {"--format", "docker"});  // OCI's has no HEALTHCHECK
  }
  for (const auto& [name, value] : labels) {
    arguments.insert(arguments.end(), {"--label", fmt::format("{}={}", name, value)});
  }
  arguments.push_back(folder.string());
  return as_id(engine.ask(std::move(arguments)));
}

}  // namespace mlpipe
