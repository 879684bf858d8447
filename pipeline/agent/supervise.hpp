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

// Kills all that descends from this process, and waits for it. With signals blocked, see below.
void end_everything(const Family& family);

// SIGCHLD and the requests to end (SIGTERM, SIGINT), blocked, so that this process can wait for them.
sigset_t block_signals();

}  // namespace mlpipe
