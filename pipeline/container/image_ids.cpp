#include "pipeline/container/image_ids.hpp"

#include "pipeline/base/text.hpp"

namespace mlpipe {

std::map<std::string, std::optional<std::string>> image_ids(const Engine& engine,
                                                            const std::vector<std::string>& references) {
  std::map<std::string, std::optional<std::string>> ids;
  if (references.empty()) {
    return ids;
  }
  std::vector<std::string> arguments = {"image", "inspect", "--format", "{{.Id}}", "--"};
  arguments.insert(arguments.end(), references.begin(), references.end());
  const Captured captured = engine.run(std::move(arguments));
  const std::vector<std::string> lines = split(trim(captured.output), '\n');
  const bool all = captured.ending.succeeded() && lines.size() == references.size();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (all) {  // podman leaves the prefix out
      ids[references[i]] = lines[i].starts_with("sha256:") ? lines[i] : "sha256:" + lines[i];
    } else {
      ids[references[i]] = engine.image_id(references[i]);
    }
  }
  return ids;
}

}  // namespace mlpipe
