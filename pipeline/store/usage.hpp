#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "pipeline/store/reachable.hpp"

namespace mlpipe {

// What a store takes on the disk, in bytes of files; those that share an inode count once.
struct StoreUsage {
  std::uint64_t total = 0;
  std::map<std::string, std::uint64_t>
      kinds;  // "blobs", "trees" (what they do not share), "index", "jobs", …
  std::map<std::string, std::uint64_t> steps;   // outputs and logs of a step's results
  std::map<std::string, std::uint64_t> models;  // files of a model's releases
  std::uint64_t collectable = 0;                // what gc would free now
};

// Bytes that several steps or models have count in full for each of them, so those sums may exceed the total.
StoreUsage usage_of(const Store& store, std::span<const Root> roots);

}  // namespace mlpipe
