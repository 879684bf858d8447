#include "pipeline/exec/tool_identity.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// The program that runs a script, from its first line: "python3" of "#!/usr/bin/env python3". Empty: it is no
// script.
std::string interpreter_of(const fs::path& file) {
  std::array<char, 256> begin{};  // the kernel reads no more
  const FileDescriptor descriptor = open_file(file, O_RDONLY);
  const ssize_t count = ::read(descriptor.get(), begin.data(), begin.size());
  const std::string_view text(begin.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (!text.starts_with("#!")) {
    return "";
  }
  std::vector<std::string> words;
  for (const std::string& word : split(text.substr(2, text.find('\n') - 2), ' ')) {
    if (!trim(word).empty()) {
      words.emplace_back(trim(word));
    }
  }
  const bool by_env = words.size() > 1 && fs::path(words.front()).filename() == "env";
  return words.empty() ? "" : by_env ? words[1] : words.front();
}

}  // namespace

std::optional<std::string> identity_of_tool(const ToolPlace& place, FileHashes& hashes) {
  Environment environment = own_environment();
  if (!place.path.empty()) {
    environment["PATH"] = place.path;
  }
  constexpr int most_scripts = 4;  // a script whose interpreter is a script
  std::string identity;
  std::string wanted = place.name;
  for (int i = 0; i < most_scripts && !wanted.empty(); ++i) {
    fs::path file;
    try {
      file = fs::canonical(find_program(wanted, environment));
    } catch (
        const std::exception&) {  // an interpreter that is missing is the script's own fault, when it runs
      return i == 0 ? std::nullopt : std::optional(identity);
    }
    identity += (identity.empty() ? "" : "+") + hashes.digest(file).hex();
    wanted = interpreter_of(file);
  }
  return identity;
}

}  // namespace mlpipe
