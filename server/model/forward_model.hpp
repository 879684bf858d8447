#pragma once

#include <string>

#include "server/engine/servable.hpp"
#include "trainer/network/answers.hpp"

namespace mlpipe {

// A model folder whose weights' file holds the network too, read and found whole.
struct NetworkFile {
  Model model;
  Digest digest;               // of the whole model
  std::filesystem::path path;  // of the file
  std::string bytes;
};

// Throws Error that says what is wrong with the file: not of the format that model.yaml says, or changed
// since its digest.
NetworkFile read_network_file(const std::filesystem::path& directory);

// A model that is computed by `forward`, which throws Error when it cannot.
std::unique_ptr<const Servable> make_forward_model(Model model, const Digest& digest, Forward forward);

// What an exception of libtorch's says, in one line.
std::string line_of(const std::exception& error);

}  // namespace mlpipe
