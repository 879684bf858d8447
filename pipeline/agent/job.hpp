#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/container/run_arguments.hpp"

namespace mlpipe {

// An address to listen at.
struct Listen {
  std::string name;
  std::string host = "127.0.0.1";  // a numeric address, or localhost
  std::uint16_t port = 0;          // 0: any free one

  friend bool operator==(const Listen&, const Listen&) = default;
};

// The container that a job runs in. The agent adds to `run` what it is there for: the command, and mounts of
// itself and of the job's folder.
struct JobContainer {
  std::filesystem::path engine_program;
  ContainerRun run;

  friend bool operator==(const JobContainer&, const JobContainer&) = default;
};
// Where the job's folder is inside.
inline constexpr const char* folder_in_container = "/mlpipe";

// What mlpipe-agent runs. It stands in a folder of its own, the job's folder:
//   job.json   this, written before the agent starts
//   work/      where the program runs
//   log        its standard output and error, as they come
//   progress   lines of JSON that the program appends to $MLPIPE_PROGRESS (see Progress); of several
//   processes
//              the first is told of it
//   control    a FIFO: a line "cancel" ends the job, "replace ID" replaces a service's program
//   exit.json  how it ended, written once, atomically, as the agent's last act
// for a job in a container:
//   begun      is there once its container runs
//   engine     what the engine's program said
// and for a service that listens:
//   listen.json   the addresses its sockets are bound to
//   replace.json  what came of the last requests to replace its program
struct Job {
  // argv; the first is a path, or a name looked up in the PATH of `environment`. "{listen:NAME}" within one
  // becomes the number of the descriptor of that listening socket.
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // all that the program sees, besides MLPIPE_PROGRESS
  // What it is, for people and for `cancel`: "pipeline" and "step". The agent makes nothing of it.
  std::map<std::string, std::string> labels;
  // Variables whose values are secret: they are in no file, the agent gets them from who starts it.
  std::vector<std::string> secret_variables;
  std::filesystem::path work_directory;  // absolute; of a job with a container, inside
  std::optional<std::chrono::milliseconds> timeout;
  std::chrono::milliseconds grace{10'000};  // between SIGTERM and SIGKILL for the whole group

  // A job may run as nodes × processes copies of its program, all on this machine. Each finds itself by RANK,
  // LOCAL_RANK and NODE_RANK, the others by WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT (a free
  // port), as PyTorch has it, and each line that it prints has "[RANK] " before it in the log. When one fails
  // the others are ended, and the job has ended as that one has.
  int nodes = 1;
  int processes = 1;  // of each node

  // Runs it in a container, all of its processes in one, under the same agent inside: its environment is
  // the image's with `environment` over it, paths are those inside, and it never listens.
  std::optional<JobContainer> container;

  // A service: started again when it ends by itself, after 100 ms, doubled each time up to 10 s, and from 100
  // ms again once it ran for 30 s; until cancelled. job.json is read again before each start. Has no timeout.
  bool keep_running = false;
  std::vector<Listen> listen;        // bound once by the agent and kept through restarts and replacements
  std::filesystem::path ready_file;  // absolute; the program makes it when it is ready to take over
  std::chrono::milliseconds ready_timeout{60'000};  // for a replacement to make its ready_file
  bool must_get_ready =
      false;  // when it ends before it has made its ready_file once, it is not started again
};

// How a job ended. A value, not an exception: a failed step is data.
struct Ending {
  int exit_code = -1;  // -1: it did not exit by itself
  int signal = 0;      // 0: it was not ended by a signal
  bool timed_out = false;
  std::chrono::milliseconds timeout{0};  // timed_out: the time that it had
  bool cancelled = false;
  std::string failure;  // not empty: it could not be started, and why
  // Not succeeded, and the kernel had killed one of its processes for want of memory. Only seen in a
  // container.
  bool out_of_memory = false;
  std::uint64_t memory_limit = 0;  // out_of_memory: what it had; 0: as much as the machine
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point finished;
  std::uint64_t peak_memory_bytes = 0;

  bool succeeded() const { return exit_code == 0 && failure.empty() && !timed_out && !cancelled; }
};

// "exit status 3", "killed by signal 9 (Killed)", "timed out after 2.0 s", "cancelled", "could not start: …",
// "out of memory: it had 512 MiB".
std::string describe(const Ending& ending);

// The last line a job reported of how far it is: an object with these names as keys, all but `done` optional,
// {"done": 3, "total": 12, "unit": "epoch", "text": "loss 0.12", "rate": 900, "rate_unit": "samples/s",
// "seconds_left": 41.5}
struct Progress {
  double done = 0;
  double total = 0;       // 0: unknown
  std::string unit;       // "epoch"
  std::string text;       // "loss 0.1234  accuracy 0.981"
  double rate = 0;        // 0: unknown
  std::string rate_unit;  // "samples/s"
  std::optional<double> seconds_left;
};

// `later` for a job whose folder means nothing after a power cut.
void write_job(const std::filesystem::path& job_directory, const Job& job,
               Durability durability = Durability::now);
// Throws Error when job.json is missing or not what write_job writes.
Job read_job(const std::filesystem::path& job_directory);
// Empty while there is no exit.json. Throws Error when it is not what write_ending writes.
std::optional<Ending> read_ending(const std::filesystem::path& job_directory);
void write_ending(const std::filesystem::path& job_directory, const Ending& ending);
// The last whole line that makes sense; what else the program wrote is ignored.
std::optional<Progress> read_progress(const std::filesystem::path& job_directory);
// The bound addresses, with port 0 resolved; empty while there is no listen.json.
std::vector<Listen> read_listen(const std::filesystem::path& job_directory);
void write_listen(const std::filesystem::path& job_directory, const std::vector<Listen>& bound);

// Starts `agent` (the path of mlpipe-agent) for a folder that holds job.json, as a process in a session of
// its own that outlives this one and is not its child. The agent inherits the lock and holds it until it has
// written exit.json and all of the job's processes are gone; the job does not inherit it. So who gets the
// lock next finds exit.json, or knows that the agent was killed. The caller's own hold ends with this call.
// The values of the job's secret variables reach the agent in a file in memory, by descriptor.
// Returns once the agent has taken over; throws Error when it could not be started.
void start_agent(const std::filesystem::path& agent, const std::filesystem::path& job_directory,
                 FileLock lock, const std::map<std::string, std::string>& secrets = {});

// Starts agents that end with their jobs, one process for each. What it is itself, mlpipe-agent as well, is
// started with the first (see spawner.hpp) and goes on until the last job has ended, whether or not this
// process is still there. Not thread-safe.
class AgentSpawner {
 public:
  // `store` is for people who look at the list of processes; `open_files`, how many files a job's programs
  // may have open at first: as many as this process's when nothing is given.
  AgentSpawner(std::filesystem::path agent, std::filesystem::path store,
               std::optional<rlim_t> open_files = std::nullopt)
      : agent_(std::move(agent)), store_(std::move(store)), open_files_(open_files) {}

  // As start_agent(), but the caller keeps its hold of the lock too, so that it has it at once when the job
  // has ended. Does not wait until the agent has taken over: should it be unable to, it says why in the log
  // and there is no exit.json. The descriptor comes to its end (poll: POLLHUP) once all of the job is gone.
  FileDescriptor start(const std::filesystem::path& job_directory, const FileLock& lock,
                       const std::map<std::string, std::string>& secrets = {});

 private:
  void start_spawner();

  std::filesystem::path agent_;
  std::filesystem::path store_;
  std::optional<rlim_t> open_files_;
  std::optional<Process> spawner_;
  FileDescriptor requests_;
};

// Starts `agent` as a process that removes what nobody uses in a trash folder (base/trash.hpp) and outlives
// this one.
Process start_removal(const std::filesystem::path& agent, const std::filesystem::path& trash);

// Asks a running job to end (SIGTERM to its group, SIGKILL after the grace). False when no agent is there.
bool cancel_job(const std::filesystem::path& job_directory);

// What came of a request to replace a service's program.
struct Replacement {
  bool replaced = false;
  std::string failure;  // why the old program was kept
};

// Has the agent of a service start what job.json now says beside the old program, on the same sockets, and
// waits. Once the new program has made its ready_file, the old one is sent SIGTERM, and SIGKILL after its
// grace. When the new one does not get ready it is ended, the old one stays, and job.json says again what
// runs. Throws Error when no agent is there.
Replacement replace_service(const std::filesystem::path& job_directory);

}  // namespace mlpipe
