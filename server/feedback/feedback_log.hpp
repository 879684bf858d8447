#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

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

  // known: it was there already; full: the log holds as much as it may.
  enum class Outcome { stored, known, full };

  // Returns once all of them are on disk, which one sync does, and what became of each. Throws Error when
  // they cannot be written; then none of them is there.
  std::vector<Outcome> append(std::span<const Feedback> all);

  // What was told of one model, in its order.
  std::vector<Feedback> read(const std::string& model) const;

  std::size_t entries() const;

 private:
  void take_over();
  void write(const std::string& lines);

  std::filesystem::path path_;
  FeedbackLimits limits_;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<FileLock> lock_;
  FileDescriptor file_;
  std::set<Digest> known_;
  std::uint64_t bytes_ = 0;
};

}  // namespace mlpipe
