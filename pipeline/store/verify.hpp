#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/store/store.hpp"

namespace mlpipe {

struct VerifyOptions {
  bool quick = false;     // believe a file of the right size to hold the right bytes
  bool set_aside = true;  // move damaged bytes to quarantine/, so that the next run makes them again
};

// Something in the store that is not as it was written.
struct StoreFault {
  std::string path;                   // in the store; empty: the index
  std::string problem;                // "its bytes are not those that it is named after"
  std::string done;                   // what was done about it; empty: nothing
  std::vector<std::string> results;   // what depends on it: "3f2a91c0d4e5 (train)"
  std::vector<std::string> releases;  // "digits:2 (prod)"
};

struct Verification {
  std::size_t blobs = 0;
  std::size_t trees = 0;
  std::size_t results = 0;
  std::size_t releases = 0;
  std::uint64_t bytes = 0;  // that were read
  std::vector<StoreFault> faults;
  std::vector<std::string> unknown;  // files that no mlpipe wrote; they are left alone
  std::size_t without_log = 0;       // results whose log is gone; nothing depends on it
};

// Holds everything that the store has against its name, and the index against what is there: every file's
// bytes (on all cores) and mode, every tree's files, every row's bytes, releases and aliases, SQLite's own
// check. Damaged bytes go to quarantine/, and results that have lost bytes are taken out of the index into
// quarantine/results.jsonl, so that the next run does those steps again, and nothing else. Wrong modes are
// set right. The caller holds the store's lock, shared.
Verification verify(Store& store, const VerifyOptions& options);

}  // namespace mlpipe
