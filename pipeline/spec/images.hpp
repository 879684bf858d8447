#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/spec/references.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The images that a pipeline may name: those of its `images:`, and those that come with mlpipe. Only one that
// is used is read and becomes a step. The tree must outlive it.
class Images {
 public:
  Images(const YamlNode& root, const References& references, Diagnostics& diagnostics)
      : root_(root), references_(references), diagnostics_(diagnostics) {}

  // The output that names the image, for a step or deployment that uses it: the one in `named` or, when that
  // is null, the one of the name `otherwise`. Nothing, and a fault, when there is none. What a cluster alone
  // uses need not be in an engine.
  std::optional<Input> use(const YamlNode* named, const std::string& otherwise, bool in_cluster = false);

  // The steps that make the images that are used, in the order of their names.
  std::vector<Step> steps() const;

 private:
  std::optional<Step> read(const std::string& name, const YamlNode* named);
  void read_made_by_file(const YamlNode& node, ImageSpec& image, Usage& usage);
  void read_path(const YamlNode& node, const char* key, std::string& path, Usage& usage);
  std::string text(const YamlNode& node, const char* key, Usage& usage);

  const YamlNode& root_;
  const References& references_;
  Diagnostics& diagnostics_;
  std::map<std::string, std::optional<Step>> used_;  // nothing: it has a fault, which was said
};

}  // namespace mlpipe
