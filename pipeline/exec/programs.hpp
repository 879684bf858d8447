#pragma once

#include <filesystem>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// Where mlpipe's other programs are: beside this one.
struct Programs {
  std::filesystem::path agent;
  std::filesystem::path fetch;
  std::filesystem::path train;
  std::filesystem::path serve;
  std::filesystem::path image;
  std::filesystem::path registry;
  std::filesystem::path kubernetes;

  static Programs beside_this_one();
};

// The folder that mlpipe's own images are built from: containers/*.Dockerfile and their whole context. An
// installed mlpipe has it in ../share/mlpipe/source; for one in a build folder it is the repository that this
// is in. Throws Error when there is none.
std::filesystem::path image_sources();
// The same for a program in that folder.
std::filesystem::path image_sources(const std::filesystem::path& programs);

// What counts towards keys. A program that is not there has an empty identity, until a step needs it.
Tools find_tools(const Programs& programs, FileHashes& hashes);

// The program's build id, or the digest of its bytes where it has none; empty when it is not there.
std::string identity_of(const std::filesystem::path& program, FileHashes& hashes);

// The cores that this process may use.
int usable_cores();

}  // namespace mlpipe
