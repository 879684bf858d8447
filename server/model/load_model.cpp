#include "server/model/load_model.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
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
      break;
  }
  throw Error(fmt::format("{}: this mlpipe-serve does not run packages of AOTInductor",
                          (directory / model.weights_name).string()),
              "write TorchScript: torch.jit.script(module.eval()).save(\"model.pt\")");
}

}  // namespace mlpipe
