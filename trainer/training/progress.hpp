#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "pipeline/base/file.hpp"
#include "trainer/training/loop.hpp"

namespace mlpipe {

// Tells people and programs how far the training is: a plain line for each epoch, and, when $MLPIPE_PROGRESS
// names a file, a line of JSON appended to it.
class ProgressReport {
 public:
  // Throws Error when that file cannot be opened.
  ProgressReport(std::ostream& out, const Training& training);
  void epoch_ended(const EpochResult& epoch);

 private:
  std::ostream& out_;
  std::int64_t epochs_;
  std::string metric_;  // of the held-out part, which the lines name
  FileDescriptor file_;
};

// "epoch 3/12  loss 0.123  accuracy 0.981  5,400 samples/s  4 s left"
std::string progress_line(const EpochResult& epoch, std::int64_t epochs, const std::string& metric);

// {"done":3,"total":12,"unit":"epoch","text":"loss 0.123 accuracy 0.981","rate":5400.0,…}, without a newline.
std::string progress_json(const EpochResult& epoch, std::int64_t epochs, const std::string& metric);

std::string grouped(std::int64_t number);  // "5,400"

}  // namespace mlpipe
