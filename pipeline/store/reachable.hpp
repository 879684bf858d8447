#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "pipeline/store/store.hpp"

namespace mlpipe {

// Something that is kept for its own sake, and with it what it was made from.
struct Root {
  enum class Kind { alias, deployment, pin, job, run };
  Kind kind = Kind::run;
  std::string name;                   // "digits@prod", "run 12"
  std::vector<std::int64_t> results;  // their rows
  std::vector<Output> outputs;        // bytes, for which no result need be there
  std::vector<Digest> keys;           // action keys whose jobs run or wait to be collected
  std::vector<Recipe> recipes = {};   // of such jobs: their inputs
};

// "alias", "deployment", "pin", "job", "run".
const char* name_of(Root::Kind kind);

// What some roots reach.
struct Reachable {
  std::map<std::int64_t, std::size_t> results;  // their rows, and the first root that reached each
  std::unordered_set<Digest> blobs;             // outputs, logs, listings of trees, files in them
  std::unordered_set<Digest> trees;
  std::unordered_set<Digest> keys;  // of the jobs
};

// A kept result keeps its outputs, its log, and the results that its inputs came from. A recipe names its
// inputs by their bytes, not by the result; where several results have the same bytes, it is the one that the
// job was given: of the step and output that the recipe names, the newest that was there when the job started
// (the oldest where none was; of any step where none of that step has them). So a result of the same bytes
// that was made later is not kept for it. Bytes that are gone are passed over; a listing that is damaged is
// an Error.
Reachable reachable(const Store& store, std::span<const Root> roots);

// The same for all that the index names: every result, release and pin. What is beyond it, nobody knows of. A
// damaged listing is passed over.
Reachable everything_reachable(const Store& store);

}  // namespace mlpipe
