#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// The files `log` and `progress` of a job's folder while the job runs elsewhere: what its pods print, and
// what mlpipe has to say about them. When the job has ended, what was recorded of its log takes the place of
// what came from the pod that recorded it.
class StepLog {
 public:
  // Both files are made new.
  explicit StepLog(const std::filesystem::path& job_directory);

  // A line "mlpipe: SENTENCE".
  void note(std::string_view sentence);
  // Bytes of the log, and a line of the progress.
  void append(std::string_view bytes);
  void add_progress(std::string_view line);
  // Shown as long as nothing else is: what it waits for. Empty: it does not wait any more.
  void show_waiting(std::string_view sentence);
  // What comes now is of another pod.
  void begin_pod();

  // Where the last pod's lines begin.
  std::uint64_t beginning_of_pod() const { return beginning_; }

 private:
  FileDescriptor log_;
  FileDescriptor progress_;
  std::uint64_t size_ = 0;
  std::uint64_t beginning_ = 0;
  bool in_line_ = false;
  bool waits_ = false;
};

// Puts the first bytes of an earlier log before what the file `log` holds now.
void put_before_log(const std::filesystem::path& job_directory, const FileDescriptor& earlier,
                    std::uint64_t bytes);

}  // namespace mlpipe
