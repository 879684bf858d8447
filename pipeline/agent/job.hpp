#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// What mlpipe-agent runs. It stands in a folder of its own, the job's folder:
//   job.json   this, written before the agent starts
//   work/      where the program runs
//   log        its standard output and error, as they come
//   progress   lines of JSON that the program appends to $MLPIPE_PROGRESS (see Progress)
//   control    a FIFO: one line "cancel" ends the job
//   exit.json  how it ended, written once, atomically, as the agent's last act
struct Job {
  std::vector<std::string> arguments;              // argv; the first is a path, or a name looked up in PATH
  std::map<std::string, std::string> environment;  // all that the program sees, besides MLPIPE_PROGRESS
  std::filesystem::path work_directory;            // absolute
  std::optional<std::chrono::milliseconds> timeout;
  std::chrono::milliseconds grace{10'000};  // between SIGTERM and SIGKILL for the whole group
  bool keep_running = false;  // a service: started again with back-off when it ends by itself, until cancelled
};

// How a job ended. A value, not an exception: a failed step is data.
struct Ending {
  int exit_code = -1;  // -1: it did not exit by itself
  int signal = 0;      // 0: it was not ended by a signal
  bool timed_out = false;
  bool cancelled = false;
  std::string failure;  // not empty: it could not be started, and why
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point finished;
  std::uint64_t peak_memory_bytes = 0;

  bool succeeded() const { return exit_code == 0 && failure.empty() && !timed_out && !cancelled; }
};

// "exit status 3", "killed by signal 9 (Killed)", "timed out after 2.0 s", "cancelled", "could not start: …".
std::string describe(const Ending& ending);

// The last line a job reported of how far it is.
struct Progress {
  double done = 0;
  double total = 0;  // 0: unknown
  std::string unit;  // "epoch"
  std::string text;  // "loss 0.1234  accuracy 0.981"
  double rate = 0;   // 0: unknown
  std::string rate_unit;  // "samples/s"
  std::optional<double> seconds_left;
};

void write_job(const std::filesystem::path& job_directory, const Job& job);
Job read_job(const std::filesystem::path& job_directory);
std::optional<Ending> read_ending(const std::filesystem::path& job_directory);
std::optional<Progress> read_progress(const std::filesystem::path& job_directory);

// Starts `agent` (the path of mlpipe-agent) for a folder that holds job.json, as a process in a session of its
// own that outlives this one and is not its child. The agent inherits the lock and holds it until it has written
// exit.json and all of the job's processes are gone; the job does not inherit it. The caller's own hold ends
// with this call. Returns once the agent has taken over; throws Error when it could not be started.
void start_agent(const std::filesystem::path& agent, const std::filesystem::path& job_directory, FileLock lock);

// Asks a running job to end (SIGTERM to its group, SIGKILL after the grace). False when no agent is there.
bool cancel_job(const std::filesystem::path& job_directory);

}  // namespace mlpipe
