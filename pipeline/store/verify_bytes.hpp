#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pipeline/store/blobs.hpp"

namespace mlpipe {

// What is wrong with one file or folder of the store.
struct BadBytes {
  std::filesystem::path path;
  Digest digest;
  std::string problem;
  bool mode_only = false;  // the bytes are right
};

struct CheckedBytes {
  std::size_t blobs = 0;
  std::size_t trees = 0;
  std::uint64_t read = 0;
  std::vector<BadBytes> bad_blobs;
  std::vector<BadBytes> bad_trees;
  std::map<Digest, std::vector<Digest>> trees_of;  // by a blob: the trees that hold it
  std::vector<std::filesystem::path> unknown;      // files that are neither blobs nor trees
};

// Holds every blob and tree below the store's folder against its name; on all cores. With `quick` no bytes
// are read: a tree's files must be there and of the right size. Changes nothing.
CheckedBytes check_bytes(const std::filesystem::path& store, bool quick);

}  // namespace mlpipe
