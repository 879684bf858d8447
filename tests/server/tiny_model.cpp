#include "tests/server/tiny_model.hpp"

#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

void write_tiny_model(const std::filesystem::path& directory, int favourite, const std::string& name) {
  std::filesystem::create_directories(directory);
  Model model;
  model.name = name;
  model.input_shape = {4};
  for (const char* column : {"a", "b", "c", "d"}) {
    model.columns.push_back({column, 0, 10});
  }
  model.labels = {"0", "1", "2"};
  const YamlDocument document = parse_yaml("network", "[linear: 3]");
  Diagnostics diagnostics(document);
  model.network = read_network(document.root, diagnostics);
  infer_shapes(model.network, model.input_shape, 3, diagnostics);
  diagnostics.throw_if_any();
  std::vector<float> bias(3, 0.0F);
  bias.at(static_cast<std::size_t>(favourite)) = 2.0F;
  write_safetensors(directory / weights_file,
                    {{"0.weight", {3, 4}, std::vector<float>(12, 0.0F)}, {"0.bias", {3}, bias}});
  model.weights = digest_of_file(directory / weights_file);
  write_model(model, directory);
}

}  // namespace mlpipe
