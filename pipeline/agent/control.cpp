#include "pipeline/agent/control.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t longest_line = 1024;

fs::path control_path(const fs::path& job_directory) {
  return job_directory / "control";
}

}  // namespace

ControlLines ControlLines::of_fifo(const fs::path& job_directory) {
  const fs::path path = control_path(job_directory);
  fs::remove(path);
  if (::mkfifo(path.c_str(), 0600) != 0) {
    throw_errno(fmt::format("making {}", path.string()));
  }
  return ControlLines(open_file(path, O_RDWR));  // for writing too, so that it never comes to its end
}

ControlLines::ControlLines(FileDescriptor source) : source_(std::move(source)) {
  const int flags = ::fcntl(source_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(source_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    throw_errno("reading requests");
  }
}

std::vector<std::string> ControlLines::read_lines() {
  std::array<char, 4096> buffer{};
  std::vector<std::string> lines;
  ssize_t count = 0;
  while ((count = ::read(source_.get(), buffer.data(), buffer.size())) > 0) {
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(count))) {
      if (c == '\n') {
        lines.push_back(std::exchange(partial_, ""));
      } else if (partial_.size() < longest_line) {
        partial_ += c;
      }
    }
  }
  ended_ = count == 0;
  return lines;
}

bool agent_is_there(const fs::path& job_directory) {
  const fs::path path = control_path(job_directory);
  const FileDescriptor fifo(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fifo) {
    if (errno == ENXIO || errno == ENOENT) {
      return false;
    }
    throw_errno(fmt::format("opening {}", path.string()));
  }
  struct stat status {};
  if (::fstat(fifo.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) {
    throw Error(fmt::format("{} is no FIFO", path.string()));
  }
  return true;
}

bool send_control_line(const fs::path& job_directory, std::string_view line) {
  if (!agent_is_there(job_directory)) {
    return false;
  }
  // For reading too: should the agent end just now, writing must not raise SIGPIPE.
  const FileDescriptor fifo = open_file(control_path(job_directory), O_RDWR | O_NONBLOCK);
  write_all(fifo.get(), fmt::format("{}\n", line), control_path(job_directory).string());
  return true;
}

std::vector<ReplacementAnswer> read_replacements(const fs::path& job_directory) {
  const fs::path path = job_directory / "replace.json";
  const std::optional<std::string> text = read_file_if_exists(path, 1U << 20U);
  std::vector<ReplacementAnswer> answers;
  if (text) {
    try {
      for (const nlohmann::json& answer : nlohmann::json::parse(*text)) {
        answers.push_back({answer.at("request"), {answer.at("replaced"), answer.at("failure")}});
      }
    } catch (const nlohmann::json::exception& error) {
      throw Error(fmt::format("reading {}: {}", path.string(), error.what()));
    }
  }
  return answers;
}

void write_replacements(const fs::path& job_directory, const std::vector<ReplacementAnswer>& answers) {
  nlohmann::json json = nlohmann::json::array();
  for (const auto& [request, outcome] : answers) {
    json.push_back({{"request", request}, {"replaced", outcome.replaced}, {"failure", outcome.failure}});
  }
  write_file_atomically(job_directory / "replace.json",
                        json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace mlpipe
