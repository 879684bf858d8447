#include "pipeline/spec/images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::array<std::string_view, 4> built_in_images = {"trainer", "server", "gateway", "agent"};

bool is_built_in(std::string_view name) {
  return std::find(built_in_images.begin(), built_in_images.end(), name) != built_in_images.end();
}

}  // namespace

std::optional<Input> Images::use(const YamlNode* named, const std::string& otherwise, bool in_cluster) {
  std::string name = otherwise;
  if (named != nullptr) {
    Usage not_counted;  // the image's digest counts, not what it is called
    const auto text =
        named->is_scalar() && !named->is_null() ? references_.text(*named, not_counted) : std::nullopt;
    if (!text) {
      return std::nullopt;
    }
    name = *text;
  }
  const auto [place, is_new] = used_.try_emplace(name);
  if (is_new) {
    place->second = read(name, named);
  }
  if (place->second) {
    auto& image = std::get<ImageAction>(place->second->action).image;
    image.in_registry =
        image.kind == ImageSpec::Kind::reference && in_cluster && (is_new || image.in_registry);
  }
  return place->second ? std::optional(Input{image_step(name), "image"}) : std::nullopt;
}

std::vector<Step> Images::steps() const {
  std::vector<Step> steps;
  for (const auto& [name, step] : used_) {
    if (step) {
      steps.push_back(*step);
    }
  }
  return steps;
}

std::optional<Step> Images::read(const std::string& name, const YamlNode* named) {
  const YamlNode* images = root_.find("images");
  const YamlNode* node = images != nullptr ? images->find(name) : nullptr;
  ImageSpec image;
  image.name = name;
  if (node == nullptr && !is_built_in(name)) {
    std::vector<std::string> known(built_in_images.begin(), built_in_images.end());
    for (const YamlEntry& entry : images != nullptr ? images->entries : std::vector<YamlEntry>()) {
      if (!is_built_in(entry.key)) {
        known.push_back(entry.key);
      }
    }
    diagnostics_.add(*named, fmt::format("there is no image '{}'", printable(name)),
                     suggest_name(name, known));
    return std::nullopt;
  }
  image.built_in = name;
  Usage usage;
  if (node != nullptr) {
    image.mark = node->mark;
    const std::size_t faults = diagnostics_.size();
    std::vector<std::string> made_by;
    for (const char* key : {"dockerfile", "from", "built-in"}) {
      if (node->find(key) != nullptr) {
        made_by.emplace_back(key);
      }
    }
    if (made_by.size() > 1 || (made_by.empty() && !is_built_in(name))) {
      diagnostics_.add(*node,
                       made_by.empty() ? fmt::format("nothing says what image '{}' is made from", name)
                                       : fmt::format("image '{}' has {}", name, join(made_by, " and ")),
                       "an image has one of dockerfile, from and built-in");
      return std::nullopt;
    }
    if (node->find("dockerfile") != nullptr) {
      image.kind = ImageSpec::Kind::dockerfile;
      read_path(*node, "dockerfile", image.dockerfile, usage);
      image.context = ".";
      read_path(*node, "context", image.context, usage);
    } else if (node->find("from") != nullptr) {
      image.kind = ImageSpec::Kind::reference;
      image.reference = text(*node, "from", usage);
    } else if (node->find("built-in") != nullptr) {
      image.built_in = text(*node, "built-in", usage);
    }
    read_made_by_file(*node, image, usage);
    if (diagnostics_.size() != faults) {
      return std::nullopt;
    }
  }
  Step step;
  step.name = image_step(name);
  step.mark = image.mark;
  step.outs = {"bases", "image"};
  step.params = usage.params;
  step.secrets = image.secrets;
  step.action = ImageAction{std::move(image)};
  return step;
}

void Images::read_made_by_file(const YamlNode& node, ImageSpec& image, Usage& usage) {
  const bool pulled = image.kind == ImageSpec::Kind::reference;
  for (const char* key : {"context", "target", "args", "secrets"}) {
    const YamlNode* written = node.find(key);
    const bool belongs =
        std::string_view(key) == "args" ? !pulled : image.kind == ImageSpec::Kind::dockerfile;
    if (written != nullptr && !belongs) {
      diagnostics_.add(*written, fmt::format("`{}` belongs to an image that has a `dockerfile`", key),
                       pulled ? "this one is there under its reference"
                              : "this one comes with mlpipe and has `args` only");
    }
  }
  image.target = text(node, "target", usage);
  image.platform = text(node, "platform", usage);
  if (const YamlNode* args = node.find("args"); args != nullptr) {
    for (const YamlEntry& entry : args->entries) {
      if (entry.value.is_scalar()) {
        image.args[entry.key] = references_.text(entry.value, usage).value_or("");
      }
    }
  }
  if (const YamlNode* secrets = node.find("secrets"); secrets != nullptr) {
    for (const YamlEntry& entry : secrets->entries) {
      const auto secret = entry.value.is_scalar() ? references_.secret(entry.value) : std::nullopt;
      if (!secret) {
        diagnostics_.add(entry.value, "expected ${{ secrets.NAME }}",
                         "the value comes from where secrets are kept, never from the file");
        continue;
      }
      image.secrets.push_back({entry.key, *secret, entry.value.mark});
    }
  }
  if (!usage.inputs.empty()) {
    diagnostics_.add(node, "an image is built before anything runs: it cannot use what steps yield");
  }
}

void Images::read_path(const YamlNode& node, const char* key, std::string& path, Usage& usage) {
  const YamlNode* written = node.find(key);
  if (written == nullptr) {
    return;
  }
  const std::string found = text(node, key, usage);
  const std::string tidy = std::filesystem::path(found).lexically_normal().string();
  path = tidy.size() > 1 && tidy.back() == '/' ? tidy.substr(0, tidy.size() - 1) : tidy;
  if (!is_inside_path(path)) {
    diagnostics_.add(*written, fmt::format("'{}' is not inside the pipeline's folder", printable(found)),
                     "paths are relative to the folder of pipeline.yaml and stay inside it");
  }
}

std::string Images::text(const YamlNode& node, const char* key, Usage& usage) {
  const YamlNode* written = node.find(key);
  if (written == nullptr || !written->is_scalar() || written->is_null()) {
    return "";
  }
  return references_.text(*written, usage).value_or("");
}

}  // namespace mlpipe
