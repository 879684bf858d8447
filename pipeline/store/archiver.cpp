#include "pipeline/store/archiver.hpp"

#include "pipeline/base/called_program.hpp"

namespace mlpipe {

void Archiver::run(const std::vector<std::string>& arguments, const std::string& input) const {
  std::vector<std::string> command = arguments;
  command.insert(command.begin(), program_.string());
  output_of_program(command, input);
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
