#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// The agent's end of a job's control FIFO. Made new, over what an earlier agent left.
class ControlFifo {
 public:
  explicit ControlFifo(const std::filesystem::path& job_directory);

  int descriptor() const { return fifo_.get(); }
  // The whole lines that have arrived; never waits.
  std::vector<std::string> read_lines();

 private:
  FileDescriptor fifo_;
  std::string partial_;
};

bool agent_is_there(const std::filesystem::path& job_directory);

// Sends a line to the job's agent; false when no agent is there.
bool send_control_line(const std::filesystem::path& job_directory, std::string_view line);

// What the agent answers to the request "replace ID". replace.json holds the last few, the newest last.
struct ReplacementAnswer {
  std::string request;
  Replacement outcome;
};
std::vector<ReplacementAnswer> read_replacements(const std::filesystem::path& job_directory);
void write_replacements(const std::filesystem::path& job_directory,
                        const std::vector<ReplacementAnswer>& answers);

}  // namespace mlpipe
