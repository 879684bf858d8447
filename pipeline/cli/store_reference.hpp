#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/registry/registry.hpp"
#include "pipeline/store/pins.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// What the user names in a store. Exactly one of the first three is the thing itself; a path leads on from
// it.
//   STEP  STEP@ID  ID            a result: the last one of a step, or by its id
//   STEP/OUT  STEP@ID/OUT  ID/OUT  [sha256:]DIGEST    bytes
//   MODEL:VERSION  MODEL@ALIAS   a release
//   and after bytes or a release, /PATH inside of a folder
// Ids and digests may be cut short (to 4 and more digits) as long as only one begins so.
struct StoreItem {
  std::optional<Result> result;
  std::optional<Output> bytes;
  std::optional<Release> release;
  std::string path;
};

// Throws UsageError that names what there is.
StoreItem find_item(const Store& store, const std::string& reference);
// As a pin would keep it; what is inside of a folder cannot be pinned.
Pin pin_of(const StoreItem& item);

// One file or empty folder of an item.
struct StoreFile {
  std::string path;  // empty: the item itself is this file
  TreeEntry entry;
};
// Every file of it, sorted; of a result each output's under its name. Empty when the path leads nowhere.
std::vector<StoreFile> files_of(const Store& store, const StoreItem& item);

}  // namespace mlpipe
