#include "pipeline/store/archiver.hpp"

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

void Archiver::run(const std::vector<std::string>& arguments, const std::string& input) const {
  Command command;
  command.arguments = arguments;
  command.arguments.insert(command.arguments.begin(), program_.string());
  const Captured captured = run_and_capture(std::move(command), input);
  if (captured.ending.succeeded()) {
    return;
  }
  const std::string said(trim(captured.error));
  const std::size_t line = said.find('\n');
  const std::string message =
      said.empty() ? "mlpipe-archive: " + describe(captured.ending) : said.substr(0, line);
  const std::string hint = line == std::string::npos ? "" : said.substr(line + 1);
  if (captured.ending.exit_code == 2) {
    throw UsageError(message, hint);
  }
  throw Error(message, hint);
}

void Archiver::pack(const std::filesystem::path& archive, const std::vector<File>& files) const {
  std::string list;
  for (const File& file : files) {
    list += file.name + '\0' + file.path.string() + '\0';
  }
  run({"pack", archive.string()}, list);
}

void Archiver::unpack(const std::filesystem::path& archive, const std::filesystem::path& folder) const {
  run({"unpack", archive.string(), folder.string()}, "");
}

}  // namespace mlpipe
