#include "pipeline/kubernetes/step_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"

namespace mlpipe {

namespace fs = std::filesystem;
namespace {

void copy(const FileDescriptor& from, std::uint64_t most, const FileDescriptor& to, const fs::path& path) {
  std::array<char, std::size_t{1} << 16U> buffer{};
  std::uint64_t left = most;
  while (left > 0) {
    const ssize_t count = ::read(from.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), left));
    if (count < 0) {
      throw_errno(fmt::format("copying to {}", path.string()));
    }
    if (count == 0) {
      return;
    }
    write_all(to.get(), {buffer.data(), static_cast<std::size_t>(count)}, path.string());
    left -= static_cast<std::uint64_t>(count);
  }
}

}  // namespace

StepLog::StepLog(const fs::path& job_directory)
    : log_(open_file(job_directory / "log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644)),
      progress_(open_file(job_directory / "progress", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644)) {}

void StepLog::append(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  write_all(log_.get(), bytes, "the job's log");
  size_ += bytes.size();
  in_line_ = bytes.back() != '\n';
}

void StepLog::note(std::string_view sentence) {
  append(fmt::format("{}mlpipe: {}\n", in_line_ ? "\n" : "",
                     printable(join(split(trim(sentence), '\n'), "; "))));
}

void StepLog::add_progress(std::string_view line) {
  write_all(progress_.get(), fmt::format("{}\n", line), "the job's progress");
  waits_ = false;
}

void StepLog::show_waiting(std::string_view sentence) {
  if (!sentence.empty() || waits_) {
    add_progress(nlohmann::json{{"done", 0}, {"text", sentence}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace));
    waits_ = !sentence.empty();
  }
}

void StepLog::begin_pod() {
  beginning_ = size_;
}

void put_before_log(const fs::path& job_directory, const FileDescriptor& earlier, std::uint64_t bytes) {
  if (bytes == 0) {
    return;
  }
  const fs::path log = job_directory / "log";
  const fs::path joined = job_directory / "log.joined";
  const FileDescriptor to = open_file(joined, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  copy(earlier, bytes, to, joined);
  copy(open_file(log, O_RDONLY), no_limit, to, joined);
  fs::rename(joined, log);
}

}  // namespace mlpipe
