#include "pipeline/base/called_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::size_t read_some(int descriptor, char* to, std::size_t most) {
  ssize_t count = 0;
  do {
    count = ::read(descriptor, to, most);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    throw_errno("reading what a program says");
  }
  return static_cast<std::size_t>(count);
}

// The lines that come until nobody has the other end, without those of progress, which go on to this
// process's own standard error as they come.
std::vector<std::string> lines_without_progress(int descriptor, const std::string& progress) {
  std::vector<std::string> said;
  const auto take = [&](std::string_view line) {
    if (line.starts_with(progress)) {
      fmt::print(stderr, "{}\n", line.substr(progress.size()));
    } else if (!line.empty()) {
      said.emplace_back(line);
    }
  };
  std::string rest;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = read_some(descriptor, buffer.data(), buffer.size())) {
    rest.append(buffer.data(), count);
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      take(std::string_view(rest).substr(0, end));
      rest.erase(0, end + 1);
    }
  }
  take(rest);
  return said;
}

}  // namespace

std::string output_of_program(const std::vector<std::string>& arguments, std::string_view input) {
  const std::string program = std::filesystem::path(arguments.front()).filename().string();
  const FileDescriptor input_file = memory_file(input);
  const FileDescriptor output_file = memory_file("");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  const FileDescriptor error(ends[0]);
  FileDescriptor error_of_program(ends[1]);
  Command command;
  command.arguments = arguments;
  command.standard_input = input_file.get();
  command.standard_output = output_file.get();
  command.standard_error = error_of_program.get();
  Process process = Process::start(command);
  error_of_program.close();
  std::vector<std::string> said = lines_without_progress(error.get(), program + ": ");
  const ProcessEnding ending = process.wait();
  if (ending.succeeded()) {
    return read_file(fmt::format("/proc/self/fd/{}", output_file.get()));
  }
  const std::string message = said.empty() ? program + ": " + describe(ending) : said.front();
  if (!said.empty()) {
    said.erase(said.begin());
  }
  const std::string hint = join(said, "\n");
  if (ending.exit_code == 2) {
    throw UsageError(message, hint);
  }
  throw Error(message, hint);
}

}  // namespace mlpipe
