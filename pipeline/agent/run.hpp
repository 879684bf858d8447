#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/agent/events.hpp"
#include "pipeline/agent/family.hpp"
#include "pipeline/agent/job.hpp"
#include "pipeline/agent/listeners.hpp"
#include "pipeline/agent/log_writer.hpp"
#include "pipeline/agent/progress_relay.hpp"

namespace mlpipe {

// Which of a job's nodes an agent has; the others have agents of their own.
struct OwnNode {
  int index = 0;
  int nodes = 1;
  std::string master_address;
  std::uint16_t master_port = 29500;  // as PyTorch has it
};

// What the agent works with: the job's folder, what it waits for, what it has started, and the job's log.
struct Agent {
  Agent(const std::filesystem::path& directory, std::map<std::string, std::string> secret_values,
        ControlLines control);

  std::filesystem::path job_directory;
  std::map<std::string, std::string> secrets;  // values of the job's secret variables, kept nowhere else
  FileDescriptor log;
  LogWriter lines;  // into the log
  Events events;
  Family family;
  std::optional<OwnNode> node;            // of a job whose nodes have an agent each
  std::optional<ProgressRelay> progress;  // to be told while the job runs

  // A line of the agent's own in the log.
  void note(std::string_view text) const;
  // What the processes of a job that runs as several differ in.
  struct Place {
    std::map<std::string, std::string> environment = {};
    int output = -1;             // where it prints; -1: into the log
    bool tells_progress = true;  // one of them does
  };
  // Starts the job's program in a group of its own that is killed with this process, its ready_file removed.
  // Throws Error.
  pid_t start_program(const Job& job, const Listeners& listeners, const Place& place) const;
  pid_t start_program(const Job& job, const Listeners& listeners) const {
    return start_program(job, listeners, Place());
  }
};

// These run the program until all of its processes are gone. They throw Error when it could not be started.
Ending run_job(Agent& agent, const Job& job);
// In a container of its own, where run_inside() supervises it.
Ending run_in_container(Agent& agent, const Job& job);
Ending run_service(Agent& agent, const Job& job);

}  // namespace mlpipe
