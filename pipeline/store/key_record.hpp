#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/store/store.hpp"

namespace mlpipe {

// What a store knows of one key, to take it to another store: the key's recipe and its results that
// succeeded, as rows of an export (index_rows.hpp), and the bytes that they name.
struct KeyRecord {
  struct Blob {
    Digest digest;
    std::uint64_t bytes = 0;
    std::filesystem::path path;
  };
  std::string rows;
  std::vector<Blob> blobs;  // each once, sorted
};

// Nothing of it when the key has no result whose bytes are all there.
KeyRecord record_of_key(const Store& store, const Digest& key);

// Brings such a record in, from a folder of the store's file system that is laid out as an export. It is not
// trusted: besides what import_unpacked() checks, it may hold nothing of other keys. Throws UsageError for
// anything else. `name` is for messages. The caller holds the store's lock, shared.
void import_key_record(Store& store, const Digest& key, const std::filesystem::path& folder,
                       const std::string& name);

}  // namespace mlpipe
