#pragma once

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "pipeline/agent/run.hpp"

namespace mlpipe {

// Runs the job in its folder from job.json to exit.json; `ready` is called once the control FIFO is there.
// Throws Error when the agent itself cannot work; how the job fared is in exit.json.
void supervise(const std::filesystem::path& job_directory, const std::map<std::string, std::string>& secrets,
               const std::function<void(const Agent&)>& ready);

// The agent of a job in a container, inside, as its first process: gets the values of secrets and the lines
// "cancel" from standard input, and leaves exit.json in the job's folder. Once standard input has come to its
// end, or nobody reads the job's control, nobody waits for the job any more, and this ends with all that is
// in the container. Returns the exit status.
int run_inside(const std::filesystem::path& job_directory);

// The agent of a job in a pod of Kubernetes, as its container's first process. The values of secrets are in
// its environment; SIGTERM, which comes when the pod is to go, ends the job within its grace. It holds the
// lock .lock in the job's folder before `begun` is there and until it ends. Standard output gets the log,
// line by line, and lines of progress behind a progress_mark; in neither nor in the log is a secret's value.
// Of a job of several nodes, MLPIPE_NODES, MLPIPE_MASTER_ADDR and JOB_COMPLETION_INDEX in the environment say
// which this is. Returns the exit status: 0 the job has succeeded, 1 it has failed, 143 it was told to end.
int run_in_pod(const std::filesystem::path& job_directory);

// How the job ended that `run` runs, also when that throws.
Ending ending_of(Agent& agent, const std::function<Ending()>& run);

// Kills all that descends from this process, and waits for it. With signals blocked, see below.
void end_everything(const Family& family);

// SIGCHLD and the requests to end (SIGTERM, SIGINT), blocked, so that this process can wait for them.
sigset_t block_signals();

}  // namespace mlpipe
