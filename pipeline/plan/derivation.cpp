#include "pipeline/plan/derivation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Equal values give equal texts: 1e-3 is 0.001, but the text '1' is not the number 1.
std::string canonical(const YamlNode& scalar) {
  if (scalar.is_null()) {
    return "null";
  }
  if (const auto number = as_number(scalar)) {
    return "number " + number_text(*number);
  }
  if (const auto boolean = as_boolean(scalar)) {
    return *boolean ? "true" : "false";
  }
  return "text " + scalar.scalar;
}

void add_tree(const YamlNode& node, const std::string& path, Recipe& recipe) {
  if (node.is_scalar()) {
    recipe.add("train", path, canonical(node));
    return;
  }
  if (node.is_sequence()) {
    recipe.add("train", path, fmt::format("list {}", node.items.size()));
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      add_tree(node.items[i], fmt::format("{}[{}]", path, i), recipe);
    }
    return;
  }
  for (const YamlEntry& entry : node.entries) {
    add_tree(entry.value, path.empty() ? entry.key : path + "." + entry.key, recipe);
  }
}

// Which engine builds it does not count, and its base images are not known before: a result says what it was
// made from, and stands as long as that is so.
void add_image(const ImageSpec& image, const Snapshot& snapshot, Recipe& recipe) {
  if (image.platform.empty()) {
    recipe.add("architecture", "", snapshot.tools.architecture);
  } else {
    recipe.add("platform", "", image.platform);
  }
  if (image.kind == ImageSpec::Kind::reference) {
    recipe.add("reference", "", image.reference);
    if (image.in_registry) {  // it is named by what the registry says
      recipe.add("place", "", "registry");
    }
    return;
  }
  if (!image.target.empty()) {
    recipe.add("target", "", image.target);
  }
  for (const auto& [name, value] : image.args) {
    recipe.add("arg", name, value);
  }
  if (const auto files = snapshot.images.find(image.name); files != snapshot.images.end()) {
    recipe.add("dockerfile", "", "file:" + files->second.dockerfile.hex());
    for (const ContextFile& file : files->second.context) {
      recipe.add("context", file.path, file.content);
    }
  }
}

void add_action(const Step& step, const Snapshot& snapshot, Recipe& recipe) {
  const Tools& tools = snapshot.tools;
  recipe.add("kind", "", step.kind());
  if (const auto* image = std::get_if<ImageAction>(&step.action)) {
    add_image(image->image, snapshot, recipe);
    return;
  }
  if (const auto* fetch = std::get_if<FetchAction>(&step.action)) {
    // The address is where the bytes come from; what they are is the hash.
    recipe.add("fetch", "sha256", fetch->sha256);
    recipe.add("tool", "fetch", tools.fetcher);
    return;
  }
  recipe.add("architecture", "", tools.architecture);
  if (step.processes.count() > 1) {
    recipe.add("processes", "", std::to_string(step.processes.count()));
  }
  if (const auto* train = std::get_if<TrainAction>(&step.action)) {
    add_tree(train->config, "", recipe);
    recipe.add("model-name", "", train->model_name);
    if (train->config.find("threads") == nullptr) {
      recipe.add("threads", "", std::to_string(threads_of(step, tools)));
    }
    if (step.runs_on == RunsOn::local) {  // else the image has it
      recipe.add("tool", "mlpipe-train", tools.trainer);
    }
    return;
  }
  const auto& run = std::get<RunAction>(step.action);
  for (std::size_t i = 0; i < run.arguments.size(); ++i) {
    recipe.add(run.shell ? "script" : "command", fmt::format("{:04}", i), run.arguments[i]);
  }
}

}  // namespace

std::string name_of(std::span<const Output> outputs, bool several) {
  std::vector<std::string> names;
  names.reserve(outputs.size());
  for (const Output& output : outputs) {
    names.push_back((output.folder ? "tree:" : "file:") + output.digest.hex());
  }
  return (several ? "several " : "") + join(names, " ");
}

int threads_of(const Step& step, const Tools& tools) {
  constexpr std::int64_t thousandths = 1000;
  const std::int64_t all = step.resources.cpu == 0 ? tools.default_threads : step.resources.cpu / thousandths;
  return static_cast<int>(std::clamp<std::int64_t>(all / step.processes.count(), 1, 1024));
}

ToolPlace place_of(const Step& step, const Tool& tool) {
  const auto path = step.environment.find("PATH");
  return {tool.name, path == step.environment.end() ? "" : path->second};
}

Recipe recipe_of(const Step& step, const Snapshot& snapshot, const InputName& input_name) {
  Recipe recipe;
  add_action(step, snapshot, recipe);
  for (const auto& [name, value] : step.environment) {
    recipe.add("environment", name, value);
  }
  for (const SecretVariable& secret : step.secrets) {
    recipe.add("secret", secret.variable, "secret:" + secret.secret);
  }
  for (const Tool& tool : step.runs_on == RunsOn::local ? step.tools : std::vector<Tool>{}) {
    const auto found = snapshot.programs.find(place_of(step, tool));
    recipe.add("tool", tool.name, found == snapshot.programs.end() ? "" : found->second);
  }
  for (const Dependency& dependency : step.deps) {
    const auto found = snapshot.dependencies.find(dependency.path);
    if (found == snapshot.dependencies.end()) {
      continue;
    }
    for (const DependencyFile& file : found->second) {
      recipe.add("dependency", file.path, (file.executable ? "executable:" : "file:") + file.digest.hex());
    }
  }
  for (const Input& input : step.inputs) {
    recipe.add("input", input.text(), input_name(input));
  }
  if (step.image) {
    recipe.add("image", step.image->step, input_name(*step.image));
  }
  for (const std::string& out : step.outs) {
    recipe.add("out", out, "");
  }
  for (const std::string& metrics : step.metrics) {
    recipe.add("metrics", metrics, "");
  }
  return recipe;
}

}  // namespace mlpipe
