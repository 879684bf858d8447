#include "server/model/forward_model.hpp"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "server/model/model_digest.hpp"

namespace mlpipe {
namespace {

class ForwardModel : public Servable {
 public:
  ForwardModel(Model model, const Digest& digest, Forward forward)
      : model_(std::move(model)), digest_(digest), forward_(std::move(forward)) {}

  const Model& model() const override { return model_; }
  Digest digest() const override { return digest_; }
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const override {
    return answers_of(model_, rows, count, forward_);
  }

 private:
  Model model_;
  Digest digest_;
  Forward forward_;
};

}  // namespace

NetworkFile read_network_file(const std::filesystem::path& directory) {
  NetworkFile file{read_model(directory), {}, {}, {}};
  const Digest description = digest_of_file(directory / model_file);
  file.path = directory / file.model.weights_name;
  file.bytes = read_file(file.path);
  const Digest weights = digest_of(file.bytes);
  if (!file.model.weights.is_zero() && weights != file.model.weights) {
    throw Error(fmt::format("{}: its SHA-256 is {}…, and {} says {}…", file.path.string(),
                            weights.short_hex(), model_file, file.model.weights.short_hex()),
                "the file was changed or damaged: take the model again from where it came");
  }
  if (const auto fault = fault_of_weights(file.model.format, file.bytes)) {
    throw Error(fmt::format("{}: {}", file.path.string(), fault->what), fault->hint);
  }
  file.digest = digest_of_model(file.model, description, weights);
  file.model.weights = weights;
  return file;
}

std::unique_ptr<const Servable> make_forward_model(Model model, const Digest& digest, Forward forward) {
  return std::make_unique<ForwardModel>(std::move(model), digest, std::move(forward));
}

std::string line_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  // A script's error begins with a trace and says at its end what happened.
  const std::size_t end = text.find_last_not_of("\n ");
  const std::size_t line = text.rfind('\n', end);
  const std::size_t begin = line == std::string::npos ? 0 : line + 1;
  return end == std::string::npos ? "" : text.substr(begin, end + 1 - begin);
}

}  // namespace mlpipe
