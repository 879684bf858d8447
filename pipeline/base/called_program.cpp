#include "pipeline/base/called_program.hpp"

#include <filesystem>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::string output_of_program(const std::vector<std::string>& arguments, std::string_view input) {
  Command command;
  command.arguments = arguments;
  Captured captured = run_and_capture(std::move(command), input);
  if (captured.ending.succeeded()) {
    return std::move(captured.output);
  }
  const std::string program = std::filesystem::path(arguments.front()).filename().string();
  std::vector<std::string> said = split(trim(captured.error), '\n');
  std::erase_if(said,
                [&](const std::string& line) { return line.empty() || line.starts_with(program + ": "); });
  const std::string message = said.empty() ? program + ": " + describe(captured.ending) : said.front();
  if (!said.empty()) {
    said.erase(said.begin());
  }
  const std::string hint = join(said, "\n");
  if (captured.ending.exit_code == 2) {
    throw UsageError(message, hint);
  }
  throw Error(message, hint);
}

}  // namespace mlpipe
