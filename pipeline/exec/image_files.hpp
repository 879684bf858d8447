#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/dependencies.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// What an image is built from; both absolute.
struct ImagePlace {
  std::filesystem::path dockerfile;
  std::filesystem::path context;
};

// Of an image that has a Dockerfile, the project's own or one that comes with mlpipe.
ImagePlace place_of(const ImageSpec& image, const std::filesystem::path& project);

// Fills in what the images that have a Dockerfile are built from. `watched`, when given, hears what was
// looked at. Adds a diagnostic for a Dockerfile or a context that is not there; throws Error for one that
// cannot be read.
void look_at_images(const Spec& spec, FileHashes& hashes, Snapshot& snapshot, std::vector<Watched>* watched,
                    Diagnostics& diagnostics);

// Lays out what a build sees, as the snapshot has it: `to`/context and `to`/Dockerfile. Modes and times are
// the originals', as with any context. Throws Error for what is no longer what the plan saw.
void bring_image_files(const ImageSpec& image, const std::filesystem::path& project, const ImageFiles& files,
                       FileHashes& hashes, const std::filesystem::path& to);

}  // namespace mlpipe
