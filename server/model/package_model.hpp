#pragma once

#include "server/engine/servable.hpp"

namespace mlpipe {

// A model folder whose weights are a package of AOTInductor (.pt2): the network is a library that was
// compiled for a processor and a PyTorch, and runs in this process with all its rights. Throws Error that
// says what is wrong: no such package, damaged, changed since the digest in model.yaml, or for another
// machine or PyTorch; or that the libtorch which this program was built with runs none.
std::unique_ptr<const Servable> load_package_model(const std::filesystem::path& directory);

}  // namespace mlpipe
