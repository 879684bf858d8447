#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/store/archiver.hpp"
#include "pipeline/store/reachable.hpp"

namespace mlpipe {

// A part of a store in one tar file, to take it to another store:
//   mlpipe-export.jsonl   the index's rows, as index_rows.hpp describes them; the first entry
//   blobs/sha256/HEX      every file's bytes and every tree's listing that the rows name, sorted
// Nothing in it depends on when or where it was written: the same rows give the same file, byte for byte.

struct ExportRequest {
  bool everything = false;            // all results, releases and the history of aliases; else:
  std::vector<std::int64_t> results;  // these rows, with what they were made from
  std::vector<std::string> releases;  // "digits:2", with the results that made them
};

struct ExportReport {
  std::size_t results = 0;
  std::size_t releases = 0;
  std::size_t blobs = 0;
  std::uint64_t bytes = 0;  // of the blobs
};

// Throws UsageError when the file is there already or there is nothing to export, Error when bytes are
// missing or damaged; then there is no file. The caller holds the store's lock, shared.
ExportReport export_to(const Store& store, const ExportRequest& request, const Archiver& archiver,
                       const std::filesystem::path& file);

struct ImportReport {
  std::size_t results = 0;  // new ones
  std::size_t known_results = 0;
  std::size_t releases = 0;
  std::size_t aliases = 0;
  std::size_t blobs = 0;
  std::uint64_t bytes = 0;                // of the new blobs
  std::vector<std::string> kept_aliases;  // "digits@prod": the store has another history of it, which stays
};

// Brings in what is new; twice is once. The file is not trusted: digests, ids and keys are computed again,
// names and sizes are checked, and only when all of it holds do bytes move in, and last the rows, in one
// transaction. Throws UsageError for a file that is not what export_to writes, and for a release whose
// version stands for other bytes here; then the index is as it was. With `models` false only results come in.
// The caller holds the store's lock, shared.
ImportReport import_from(Store& store, const Archiver& archiver, const std::filesystem::path& file,
                         bool models);

// The same from a folder that an export was unpacked into (its blobs have the bytes that they are named
// after) and that lies in the store's file system. `name` is for messages.
ImportReport import_unpacked(Store& store, const std::filesystem::path& folder, const std::string& name,
                             bool models);

}  // namespace mlpipe
