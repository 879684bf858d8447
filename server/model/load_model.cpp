#include "server/model/load_model.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "server/model/package_model.hpp"
#include "server/model/predictor_model.hpp"
#include "server/model/script_model.hpp"

namespace mlpipe {

std::unique_ptr<const Servable> load_model(const std::filesystem::path& directory) {
  const Model model = read_model(directory);
  switch (model.format) {
    case WeightsFormat::safetensors:
      return load_predictor_model(directory);
    case WeightsFormat::torchscript:
      return load_script_model(directory);
    case WeightsFormat::aotinductor:
      return load_package_model(directory);
  }
  throw Error(fmt::format("{}: a model of no known format", directory.string()));
}

}  // namespace mlpipe
