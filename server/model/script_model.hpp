#pragma once

#include "server/engine/servable.hpp"

namespace mlpipe {

// A model folder whose weights are TorchScript: the network is code of its author's, which runs in this
// process, confined to what TorchScript can do. Throws Error that says what is wrong: no TorchScript, a
// pickle, damaged, changed since the digest in model.yaml, without a `forward` that takes one tensor.
std::unique_ptr<const Servable> load_script_model(const std::filesystem::path& directory);

}  // namespace mlpipe
