#include "server/model/script_model.hpp"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "server/model/model_digest.hpp"
#include "trainer/network/answers.hpp"

namespace mlpipe {
namespace {

class ScriptModel : public Servable {
 public:
  ScriptModel(Model model, torch::jit::Module module, const Digest& digest, std::string file)
      : model_(std::move(model)), module_(std::move(module)), digest_(digest), file_(std::move(file)) {}

  const Model& model() const override { return model_; }
  Digest digest() const override { return digest_; }
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const override {
    return answers_of(model_, rows, count, [this](at::Tensor batch) { return forward(std::move(batch)); });
  }

 private:
  at::Tensor forward(at::Tensor batch) const {
    try {
      // A module's methods are not const; in evaluation mode they change nothing, so threads may share it.
      torch::jit::Module module = module_;
      const c10::IValue output = module.forward({std::move(batch)});
      if (output.isTensor()) {
        return output.toTensor();
      }
    } catch (const std::exception& error) {  // c10::Error, or what the script raises
      throw Error(fmt::format("{}: {}", file_, first_line_of(error)));
    }
    throw Error(fmt::format("{}: its forward gives something else than one tensor", file_));
  }

  static std::string first_line_of(const std::exception& error) {
    const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
    const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
    // A script's error begins with a trace and says at its end what happened.
    const std::size_t end = text.find_last_not_of("\n ");
    const std::size_t line = text.rfind('\n', end);
    return text.substr(line == std::string::npos ? 0 : line + 1, end - line);
  }

  Model model_;
  torch::jit::Module module_;
  Digest digest_;
  std::string file_;
};

torch::jit::Module load_module(const std::string& bytes, const std::string& file) {
  if (const auto fault = fault_of_weights(WeightsFormat::torchscript, bytes)) {
    throw Error(fmt::format("{}: {}", file, fault->what), fault->hint);
  }
  try {
    std::istringstream stream(bytes);
    torch::jit::Module module = torch::jit::load(stream, c10::Device(c10::kCPU));
    module.eval();
    return module;
  } catch (const std::exception&) {  // its text is about libtorch's own files
    throw Error(
        fmt::format("{}: libtorch cannot read it: it is damaged, or of a newer PyTorch", file),
        "take the model again from where it came, or write it with the PyTorch that mlpipe-serve has");
  }
}

}  // namespace

std::unique_ptr<const Servable> load_script_model(const std::filesystem::path& directory) {
  Model model = read_model(directory);
  const Digest description = digest_of_file(directory / model_file);
  const std::filesystem::path path = directory / model.weights_name;
  const std::string bytes = read_file(path);
  const Digest weights = digest_of(bytes);
  if (!model.weights.is_zero() && weights != model.weights) {
    throw Error(fmt::format("{}: its SHA-256 is {}…, and {} says {}…", path.string(), weights.short_hex(),
                            model_file, model.weights.short_hex()),
                "the file was changed or damaged: take the model again from where it came");
  }
  torch::jit::Module module = load_module(bytes, path.string());
  const auto forward = module.find_method("forward");
  if (!forward || forward->function().getSchema().arguments().size() != 2) {
    throw Error(fmt::format("{}: it has no method `forward` that takes one tensor", path.string()));
  }
  const Digest whole = digest_of_model(model, description, weights);
  model.weights = weights;
  return std::make_unique<ScriptModel>(std::move(model), std::move(module), whole, path.string());
}

}  // namespace mlpipe
