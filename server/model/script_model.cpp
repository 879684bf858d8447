#include "server/model/script_model.hpp"

#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>
#include <utility>

#include "pipeline/base/error.hpp"
#include "server/model/forward_model.hpp"

namespace mlpipe {
namespace {

torch::jit::Module load_module(const NetworkFile& file) {
  try {
    std::istringstream stream(file.bytes);
    torch::jit::Module module = torch::jit::load(stream, c10::Device(c10::kCPU));
    module.eval();
    return module;
  } catch (const std::exception&) {  // its text is about libtorch's own files
    throw Error(
        fmt::format("{}: libtorch cannot read it: it is damaged, or of a newer PyTorch", file.path.string()),
        "take the model again from where it came, or write it with the PyTorch that mlpipe-serve has");
  }
}

at::Tensor forward(torch::jit::Module module, at::Tensor batch, const std::string& file) {
  try {
    const c10::IValue output = module.forward({std::move(batch)});
    if (output.isTensor()) {
      return output.toTensor();
    }
  } catch (const std::exception& error) {  // c10::Error, or what the script raises
    throw Error(fmt::format("{}: {}", file, line_of(error)));
  }
  throw Error(fmt::format("{}: its forward gives something else than one tensor", file));
}

}  // namespace

std::unique_ptr<const Servable> load_script_model(const std::filesystem::path& directory) {
  NetworkFile file = read_network_file(directory);
  const torch::jit::Module module = load_module(file);
  const auto method = module.find_method("forward");
  if (!method || method->function().getSchema().arguments().size() != 2) {
    throw Error(fmt::format("{}: it has no method `forward` that takes one tensor", file.path.string()));
  }
  // In evaluation mode forward changes nothing, so threads may share the module.
  return make_forward_model(std::move(file.model), file.digest,
                            [module, name = file.path.string()](at::Tensor batch) {
                              return forward(module, std::move(batch), name);
                            });
}

}  // namespace mlpipe
