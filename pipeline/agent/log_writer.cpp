#include "pipeline/agent/log_writer.hpp"

#include <algorithm>
#include <iterator>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t shortest_line = 4;  // of a secret of several lines that is hidden by itself

void try_to_write(int to, std::string_view text) {
  try {
    write_all(to, text, "the log");
  } catch (const Error&) {
  }
}

}  // namespace

void LogWriter::echo_to(int stream, const std::vector<std::string>& secrets) {
  stream_ = stream;
  std::vector<std::string> hidden = secrets;
  for (const std::string& secret : secrets) {
    // What is written are lines, so one secret of several lines is several.
    const std::vector<std::string> lines = split(secret, '\n');
    std::copy_if(lines.begin(), lines.end(), std::back_inserter(hidden),
                 [](const std::string& line) { return line.size() >= shortest_line; });
  }
  hidden_ = Mask(std::move(hidden));
}

void LogWriter::write(std::string text) const {
  text = hidden_.masked(std::move(text));
  try_to_write(log_, text);
  if (echoes()) {
    bool begins_line = true;
    for (char& c : text) {
      c = begins_line && c == progress_mark ? '?' : c;
      begins_line = c == '\n';
    }
    try_to_write(stream_, text);
  }
}

}  // namespace mlpipe
