#include "pipeline/container/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* docker_socket = "/var/run/docker.sock";
constexpr const char* how_to_choose =
    "install docker or podman, or choose one by MLPIPE_ENGINE=docker|podman";

std::string value_of(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

std::optional<fs::path> program_of(EngineKind kind, const Environment& environment) {
  try {
    return find_program(name_of(kind), environment);
  } catch (const Error&) {
    return std::nullopt;
  }
}

EngineKind kind_named(const std::string& name) {
  for (const EngineKind kind : {EngineKind::docker, EngineKind::podman}) {
    if (name == name_of(kind)) {
      return kind;
    }
  }
  throw UsageError(fmt::format("there is no container engine '{}'", printable(name)),
                   "known: docker, podman");
}

bool docker_is_set_up(const Environment& environment) {
  std::error_code error;
  return !value_of(environment, "DOCKER_HOST").empty() || !value_of(environment, "DOCKER_CONTEXT").empty() ||
         fs::exists(docker_socket, error);
}

bool says_there_is_none(std::string_view words) {
  constexpr std::array<std::string_view, 4> forms = {"No such image", "no such image", "image not known",
                                                     "no such object"};
  return std::any_of(forms.begin(), forms.end(),
                     [words](std::string_view form) { return words.find(form) != std::string_view::npos; });
}

}  // namespace

const char* name_of(EngineKind kind) {
  return kind == EngineKind::docker ? "docker" : "podman";
}

Engine Engine::find(const std::string& wanted, const Environment& environment) {
  const std::string name = wanted.empty() ? value_of(environment, "MLPIPE_ENGINE") : wanted;
  if (!name.empty()) {
    const EngineKind kind = kind_named(name);
    if (const auto program = program_of(kind, environment)) {
      return {kind, *program, environment};
    }
    throw Error(fmt::format("the container engine {} is not installed (no '{}' in PATH)", name, name),
                how_to_choose);
  }
  const auto docker = program_of(EngineKind::docker, environment);
  const auto podman = program_of(EngineKind::podman, environment);
  if (docker && (docker_is_set_up(environment) || !podman)) {
    return {EngineKind::docker, *docker, environment};
  }
  if (podman) {
    return {EngineKind::podman, *podman, environment};
  }
  throw Error("no container engine is installed (neither 'docker' nor 'podman' is in PATH)", how_to_choose);
}

Command Engine::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program_.string());
  Command command;
  command.arguments = std::move(arguments);
  command.environment = environment_;
  return command;
}

Environment Engine::environment() const {
  constexpr std::array<std::string_view, 3> prefixes = {"DOCKER_", "CONTAINER", "XDG_"};
  Environment kept;
  for (const auto& [name, value] : environment_) {
    if (name == "PATH" || name == "HOME" ||
        std::any_of(prefixes.begin(), prefixes.end(),
                    [&name = name](std::string_view prefix) { return name.starts_with(prefix); })) {
      kept.emplace(name, value);
    }
  }
  return kept;
}

Captured Engine::run(std::vector<std::string> arguments, std::string_view input) const {
  return run_and_capture(command(std::move(arguments)), input);
}

std::string Engine::ask(std::vector<std::string> arguments, std::string_view input) const {
  const std::string doing = fmt::format("{} {}", name(), arguments.empty() ? "" : arguments.front());
  const Captured captured = run(std::move(arguments), input);
  if (!captured.ending.succeeded()) {
    throw failure(doing, captured);
  }
  return std::string(trim(captured.output));
}

std::optional<std::string> Engine::image_id(const std::string& reference) const {
  const Captured captured = run({"image", "inspect", "--format", "{{.Id}}", "--", reference});
  if (!captured.ending.succeeded()) {
    if (says_there_is_none(captured.error)) {
      return std::nullopt;
    }
    throw failure(fmt::format("looking for image {}", printable(reference)), captured);
  }
  const std::string id(trim(captured.output));
  return id.starts_with("sha256:") ? id : "sha256:" + id;  // podman leaves the prefix out
}

Error Engine::failure(std::string_view doing, const Captured& captured) const {
  std::string words(trim(captured.error));
  std::string hint;
  if (words.find("Cannot connect") != std::string::npos ||
      words.find("permission denied") != std::string::npos) {
    hint = fmt::format(
        "start the engine, or say where it is (`{} info` must work); MLPIPE_ENGINE chooses another", name());
  }
  if (words.empty()) {
    words = describe(captured.ending);
  }
  return Error(fmt::format("{}: {}", doing, printable(last_lines(words, 3))), std::move(hint));
}

}  // namespace mlpipe
