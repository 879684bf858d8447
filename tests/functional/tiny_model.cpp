#include "tests/functional/tiny_model.hpp"

#include "pipeline/model/model.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

void write_tiny_model(const std::filesystem::path& folder, const std::string& label) {
  std::filesystem::create_directories(folder);
  Model model;
  model.name = "tiny";
  model.input_shape = {4};
  model.columns = {{"a", 0, 1}, {"b", 0, 1}, {"c", 0, 1}, {"d", 0, 1}};
  model.labels = {"red", "green", "blue"};
  const YamlDocument document = parse_yaml("network", "[linear: 3]");
  Diagnostics diagnostics(document);
  model.network = read_network(document.root, diagnostics);
  infer_shapes(model.network, model.input_shape, 3, diagnostics);
  diagnostics.throw_if_any();
  NamedTensor bias{"0.bias", {3}, {}};
  for (const std::string& one : model.labels) {
    bias.values.push_back(one == label ? 10.0F : 0.0F);
  }
  write_safetensors(folder / weights_file, {{"0.weight", {3, 4}, std::vector<float>(12, 0.0F)}, bias});
  model.weights = digest_of_file(folder / weights_file);
  write_model(model, folder);
}

}  // namespace mlpipe
