#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mlpipe {

// One thing that a build gets to see.
struct ContextEntry {
  enum class Kind { file, executable, link, folder };  // a folder only when nothing in it is an entry
  std::string path;                                    // relative to the context
  Kind kind = Kind::file;
  std::string target = {};  // of a link

  friend auto operator<=>(const ContextEntry&, const ContextEntry&) = default;
};

struct BuildContext {
  std::vector<ContextEntry> entries;                 // sorted by path
  std::vector<std::filesystem::path> folders;        // that were read: new names in them may be new entries
  std::optional<std::filesystem::path> ignore_file;  // whose rules were followed
};

// Where rules for a Dockerfile's context may stand, the one that counts first: DOCKERFILE.dockerignore, then
// .dockerignore in the context.
std::vector<std::filesystem::path> ignore_files(const std::filesystem::path& dockerfile,
                                                const std::filesystem::path& context);

// What of the context `COPY . /` brings. The Dockerfile and .dockerignore, which Docker always sends, are
// among it like any other file, so not when the rules leave them out; nor is a .dockerignore that
// DOCKERFILE.dockerignore stands in for, and never a store's own folder. Links are not followed. Throws Error
// for a folder that cannot be read and for rules that are none.
BuildContext find_build_context(const std::filesystem::path& dockerfile,
                                const std::filesystem::path& context);

}  // namespace mlpipe
