#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model/network.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

inline constexpr const char* torchscript_file = "model.pt";

// Writes the network with its weights as TorchScript: FP32 [batch, network input…] → [batch, outputs], the
// network alone, without preprocessing and without what the predictor does to its values. torch::jit::load
// and Python's torch.jit.load read it; its tensors have the names that they have in weights.safetensors. The
// same network and weights give the same bytes. Shapes must be inferred. Returns why the libtorch in use
// cannot write one, or nothing; throws Error when the file cannot be written.
std::optional<std::string> write_torchscript(const Network& network, const std::vector<NamedTensor>& weights,
                                             const std::filesystem::path& file);

}  // namespace mlpipe
