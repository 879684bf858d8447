#include "pipeline/model/check_model.hpp"

#include <fmt/format.h>

#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/mapped_file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* shortest_description =
    "write one, such as:\n"
    "  mlpipe-model: 1\n"
    "  task: classification        # or binary, regression, svm\n"
    "  input: {shape: [4]}         # of one example\n"
    "  labels: [no, yes]           # in the order of the outputs\n"
    "  weights: {file: model.pt}   # TorchScript, or .safetensors with `network:`";

// What model.yaml says of the weights, however much else is wrong with it.
struct NamedWeights {
  std::string file = weights_file;
  std::optional<WeightsFormat> format;
  Digest digest;  // zero: it does not say
};

NamedWeights weights_in(const YamlNode& root) {
  NamedWeights named;
  const YamlNode* weights = root.find("weights");
  if (const YamlNode* file = weights != nullptr ? weights->find("file") : nullptr) {
    named.file = file->scalar;
  }
  if (const YamlNode* digest = weights != nullptr ? weights->find("sha256") : nullptr;
      digest != nullptr && Digest::is_hex(digest->scalar)) {
    named.digest = Digest::from_hex(digest->scalar);
  }
  const YamlNode* format = root.find("format");
  named.format = format != nullptr ? format_named(format->scalar) : format_of_file(named.file);
  return named;
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

void check_weights(const fs::path& folder, const NamedWeights& named, std::vector<ModelFault>& faults) {
  if (!is_file_name(named.file)) {
    return;  // a fault of model.yaml
  }
  const std::string shown = printable(named.file);
  if (!fs::is_regular_file(folder / named.file)) {
    faults.push_back(
        {fmt::format("{}: there is no such file in the folder", shown),
         "let the step write it, or name another one with `weights: {file: NAME}` in model.yaml"});
    return;
  }
  if (!named.digest.is_zero() && digest_of_file(folder / named.file) != named.digest) {
    faults.push_back({fmt::format("{}: its SHA-256 is {}, and model.yaml says {}…", shown,
                                  digest_of_file(folder / named.file).hex(), named.digest.short_hex()),
                      "write model.yaml after the weights, or leave `sha256` out"});
  }
  const auto file = MappedFile::open(folder / named.file);
  if (!named.format) {
    return;  // a fault of model.yaml
  }
  if (const auto fault = fault_of_weights(*named.format, file ? file->bytes() : std::string_view())) {
    faults.push_back({fmt::format("{}: {}", shown, fault->what), fault->hint});
  }
}

}  // namespace

std::string text_of(const std::vector<ModelFault>& faults) {
  std::string text;
  for (const ModelFault& fault : faults) {
    text += "\n  " + fault.what;
    for (const std::string& line :
         fault.hint.empty() ? std::vector<std::string>{} : split(fault.hint, '\n')) {
      text += "\n    " + line;
    }
  }
  return text;
}

std::vector<ModelFault> check_model(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw UsageError(fmt::format("{}: there is no such folder", folder.string()),
                     "name the folder that holds model.yaml");
  }
  std::vector<ModelFault> faults;
  if (!fs::is_regular_file(folder / model_file)) {
    faults.push_back({fmt::format("{}: it is missing", model_file), shortest_description});
    return faults;
  }
  try {
    read_model(folder);
  } catch (const SpecError& error) {
    for (const Diagnostic& diagnostic : error.diagnostics()) {
      faults.push_back(
          {fmt::format("{}:{}:{}: {}", model_file, diagnostic.line, diagnostic.column, diagnostic.message),
           diagnostic.hint});
    }
  }
  try {
    check_weights(folder, weights_in(read_yaml_file(folder / model_file).root), faults);
  } catch (const SpecError&) {  // no YAML at all: it is among the faults
  }
  return faults;
}

}  // namespace mlpipe
