#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// The lines that ask an agent for something, as they come.
class ControlLines {
 public:
  // From a job's control FIFO, made new, over what an earlier agent left. It never comes to its end.
  static ControlLines of_fifo(const std::filesystem::path& job_directory);
  // From a descriptor; reading it does not wait from then on.
  explicit ControlLines(FileDescriptor source);

  int descriptor() const { return source_.get(); }
  // The whole lines that have arrived; never waits.
  std::vector<std::string> read_lines();
  // The last call found that nobody can write there any more.
  bool ended() const { return ended_; }

 private:
  FileDescriptor source_;
  std::string partial_;
  bool ended_ = false;
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
