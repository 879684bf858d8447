#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// What the file holds that a model is computed from.
//   safetensors  tensors; the network stands in model.yaml
//   torchscript  the network as code, and its tensors: torch.jit.script(module).save("model.pt")
//   aotinductor  the network as a compiled library, and its tensors: a .pt2 package
enum class WeightsFormat { safetensors, torchscript, aotinductor };

std::string format_name(WeightsFormat format);
std::optional<WeightsFormat> format_named(std::string_view name);
std::vector<std::string> format_names();
// By how a file's name ends: .safetensors, .pt, .pt2.
std::optional<WeightsFormat> format_of_file(std::string_view name);

// Why the bytes are no file of that format, and what to do instead.
struct WeightsFault {
  std::string what;
  std::string hint;
};

// Whether the bytes are one, bare or in an archive as torch.save writes it: loading it could run any code.
// Asked of what is no file of a known format; a safetensors file may begin as a pickle does.
bool is_pickle(std::string_view bytes);

// Looks at how the file is made, not at what is in its tensors. A pickle, which can run any code when it is
// loaded, is none of the formats.
std::optional<WeightsFault> fault_of_weights(WeightsFormat format, std::string_view bytes);

}  // namespace mlpipe
