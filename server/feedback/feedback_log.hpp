#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// The log holds as much as it may.
class FeedbackFull : public Error {
 public:
  using Error::Error;
};

// An example and what it really is.
struct Feedback {
  std::string model;
  std::string version;              // that answered it; empty for an example that came with its label
  std::vector<float> values;        // raw
  std::vector<std::string> labels;  // one of the model's, or for a regression each target's number as text
};

struct FeedbackLimits {
  std::size_t entries = 100'000;
  std::uint64_t bytes = std::uint64_t{256} << 20U;
};

// Examples with their right labels, in a file "feedback.jsonl" of a folder of their own, a line each:
// {"time":…,"model":…,"version":…,"values":[…],"labels":[…]}. A line is on disk before it is reported; what a
// power cut left half written is cut off by the next start. The same example with the same label counts once.
// One process at a time: it is locked. Thread-safe.
class FeedbackLog {
 public:
  // Makes the folder. Throws Error when it cannot be written, is in use, or holds what is no log.
  FeedbackLog(const std::filesystem::path& folder, FeedbackLimits limits);

  // False when it was there already. Throws FeedbackFull, and Error when it cannot be written.
  bool append(const Feedback& feedback);

  // What was told of one model, in its order.
  std::vector<Feedback> read(const std::string& model) const;

  std::size_t entries() const;

 private:
  void take_over();

  std::filesystem::path path_;
  FeedbackLimits limits_;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<FileLock> lock_;
  FileDescriptor file_;
  std::set<Digest> known_;
  std::uint64_t bytes_ = 0;
};

}  // namespace mlpipe
