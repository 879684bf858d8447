#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"
#include "pipeline/store/blobs.hpp"
#include "pipeline/store/database.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// A store: immutable bytes, and an index of what is known about them. Shared by any number of processes on
// one machine. Not thread-safe: one Store for each thread.
//   format            "mlpipe-store 1"
//   boot              the kernel's boot that it was last written under (boot.hpp)
//   blobs/ trees/     bytes by digest (blobs.hpp)
//   index.sqlite      results, runs, releases (database.hpp)
//   jobs/KEY/         folders of jobs that run or have not been collected, with the key's recipe
//   locks/KEY         kernel locks, held while a key's job runs and until its result is in the index
//   checkpoints/KEY/  what a job leaves for its next attempt, if it does
//   deployments/      what serves on this machine
//   outlines/         what runs looked at, to save the next one time (exec/outline.hpp)
//   in-use            a lock: shared by those who use bytes, held alone by gc (store_lock.hpp)
//   trash/            what is being removed (base/trash.hpp)
//   incoming/         what an import brings, while it works
//   quarantine/       bytes that verify found damaged and set aside
// How a result is written: its bytes get their names, by a rename or a link of what is complete; a sync
// brings them to disk; only then come the index rows, in one transaction that is on disk when it returns;
// only then is the result reported, the job's folder removed and the key's lock let go. Who is killed in
// between leaves the job's folder, from which the next process collects the same result. One sync and one
// transaction can serve many results.
class Store : public ResultSource {
 public:
  // $MLPIPE_STORE, else .mlpipe beside the pipeline's file.
  static std::filesystem::path default_directory(const std::filesystem::path& project);

  // Opens, and makes it when it is missing. Throws UsageError for a folder that is no store, a store of a
  // newer format, a network file system; Error when it cannot be written.
  static Store open(const std::filesystem::path& directory);
  // Nothing when there is none. A store that this process may not write is opened to be read.
  static std::optional<Store> open_existing(const std::filesystem::path& directory);
  // To be read, not a byte on disk is changed. Nothing when there is none.
  static std::optional<Store> open_to_read(const std::filesystem::path& directory);
  // Throws Error that says why when this process may not write it.
  void require_writable() const;

  const std::filesystem::path& directory() const { return directory_; }
  const Blobs& blobs() const { return blobs_; }
  const Database& database() const { return *database_; }

  std::filesystem::path job_directory(const Digest& action_key) const;
  std::filesystem::path lock_path(const Digest& action_key) const;
  std::filesystem::path checkpoint_directory(const Digest& action_key) const;
  std::filesystem::path trash_directory() const { return directory_ / "trash"; }
  std::filesystem::path deployment_directory(const std::string& alias) const;

  // Results whose bytes are all there; one with a missing output does not count.
  std::vector<Result> results(const Digest& action_key) const override;
  std::string why_lost(const Digest& action_key) const override;
  std::optional<Realization> last_realization(const std::string& pipeline,
                                              const std::string& step) const override;
  // Whether the bytes of every output are there.
  bool is_complete(const Result& result) const;
  std::optional<Result> find_result(std::int64_t id) const;
  // The newest result of a key, failed or not.
  std::optional<Result> last_result(const Digest& action_key) const;
  // Every result, whether its bytes are there or not, the oldest first.
  std::vector<Result> all_results() const;
  // What a step of that name last led to, in whichever pipeline.
  std::optional<Digest> last_action_key(const std::string& step) const;
  std::vector<std::string> step_names() const;

  // Writes down a result and returns its id. Its outputs and log are in the blobs already; they are brought
  // to disk first.
  std::int64_t add_result(const Result& result);
  // What the step stands for now, if that is news.
  void add_realization(const std::string& pipeline, const std::string& step, const Digest& derivation,
                       const Recipe& action, const std::map<std::string, std::string>& params);

 private:
  Store(std::filesystem::path directory, Database::Mode mode);
  std::filesystem::path directory_;
  Blobs blobs_;
  std::unique_ptr<Database> database_;
};

// Whether a name directly below the store's folder is one that mlpipe gives.
bool is_name_of_store(const std::string& name);

std::int64_t to_milliseconds(std::chrono::system_clock::time_point time);
std::chrono::system_clock::time_point from_milliseconds(std::int64_t milliseconds);

}  // namespace mlpipe
