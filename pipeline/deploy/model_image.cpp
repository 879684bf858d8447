#include "pipeline/deploy/model_image.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/called_program.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::string model_image(const Engine& engine, const std::filesystem::path& program,
                        const std::string& server_image, const ServedRelease& release,
                        const std::string& name) {
  const std::string model = fmt::format("mlpipe.model=sha256:{}", release.model.hex());
  const std::string server = fmt::format("mlpipe.server={}", server_image);
  const std::string known = engine.ask(
      {"images", "--quiet", "--no-trunc", "--filter", "label=" + model, "--filter", "label=" + server});
  if (!known.empty()) {
    return split(known, '\n').front();
  }
  const std::string made = output_of_program(
      {program.string(), "model-image", "--engine", engine.name(), "--server", server_image, "--model",
       release.directory.string(), "--tag", fmt::format("mlpipe-model/{}:{}", name, release.version),
       "--label", model, "--label", server});
  const nlohmann::json json = nlohmann::json::parse(made, nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_string()) {
    throw Error(fmt::format("{} did not say which image it made", program.filename().string()),
                "install all of mlpipe's programs from one build");
  }
  return json["id"];
}

}  // namespace mlpipe
