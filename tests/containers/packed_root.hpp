#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// Makes the root of an image from this machine's own programs, so that nothing has to be downloaded or
// compiled for it: each program at its own path, in /usr/local/bin by a link, with the libraries that it
// loads. `programs` are paths or names in PATH; perl comes with the modules of its base. `root` is made.
void pack_root(const std::filesystem::path& root, const std::vector<std::string>& programs);

// The root as a tar. Equal roots give equal bytes: an engine or a node that has it takes no second copy.
void pack_tar(const std::filesystem::path& root, const std::filesystem::path& tar);

// What an image for jobs holds.
const std::vector<std::string>& jobs_image_programs();

}  // namespace mlpipe
