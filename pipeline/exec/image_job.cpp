#include "pipeline/exec/image_job.hpp"

#include <fmt/format.h>

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/container/engine.hpp"
#include "pipeline/exec/image_files.hpp"

namespace mlpipe {
namespace {

// A part of an image's name: lower-case letters and digits, "-" within.
std::string name_part(std::string_view text) {
  std::string part;
  for (const char c : text) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0;
    part += fits ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '-';
  }
  const std::size_t first = part.find_first_not_of('-');
  return first == std::string::npos ? "x" : part.substr(first, part.find_last_not_of('-') - first + 1);
}

std::vector<std::string> image_arguments(const ImageSpec& image, const Spec& spec, const Programs& programs,
                                         const Engine& engine) {
  std::vector<std::string> arguments = {programs.image.string()};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) {
      arguments.insert(arguments.end(), {option, value});
    }
  };
  if (image.kind == ImageSpec::Kind::reference) {
    arguments.emplace_back("reference");
    add("--reference", image.reference);
  } else {
    arguments.emplace_back("build");
    add("--dockerfile", "Dockerfile");
    add("--context", "context");
    add("--name", fmt::format("mlpipe/{}/{}", name_part(spec.name), name_part(image.name)));
    add("--label", "mlpipe.project=" + spec.name);
    add("--target", image.target);
    for (const auto& [name, value] : image.args) {
      add("--build-arg", fmt::format("{}={}", name, value));
    }
    for (const SecretVariable& secret : image.secrets) {
      add("--secret", fmt::format("id={0},env={0}", secret.variable));
    }
  }
  add("--engine", engine.name());
  add("--platform", image.platform);
  add("--output", "image");
  add("--bases", "bases");
  return arguments;
}

// No engine is asked: what the registry has under that name now.
void prepare_lookup(const ImageSpec& image, const Programs& programs, Job& job) {
  job.arguments = {
      programs.registry.string(), "resolve", image.reference, "--output", "image", "--bases", "bases"};
  if (!image.platform.empty()) {
    job.arguments.insert(job.arguments.end(), {"--platform", image.platform});
  }
  const Environment own = own_environment();
  for (const char* name :
       {"HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "MLPIPE_INSECURE_REGISTRIES"}) {
    if (const auto found = own.find(name); found != own.end()) {
      job.environment.emplace(*found);
    }
  }
}

}  // namespace

void prepare_image(const ImageSpec& image, const Spec& spec, const Snapshot& snapshot,
                   const Programs& programs, const Store& store, const std::filesystem::path& work,
                   Job& job) {
  if (image.in_registry) {
    prepare_lookup(image, programs, job);
    return;
  }
  const Engine engine = Engine::find("", own_environment());
  if (image.kind != ImageSpec::Kind::reference) {
    FileHashes hashes(&store.database());
    bring_image_files(image, spec.project, snapshot.images.at(image.name), hashes, work);
  }
  job.arguments = image_arguments(image, spec, programs, engine);
  const Environment credentials = engine_credentials();
  for (const auto& [name, value] : engine.environment()) {
    if (credentials.contains(name)) {
      job.secret_variables.push_back(name);
    } else {
      job.environment.emplace(name, value);
    }
  }
}

Environment engine_credentials() {
  constexpr const char* variable = "DOCKER_AUTH_CONFIG";
  const Environment own = own_environment();
  const auto found = own.find(variable);
  return found == own.end() ? Environment{} : Environment{*found};
}

}  // namespace mlpipe
