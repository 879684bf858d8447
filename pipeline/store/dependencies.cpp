#include "pipeline/store/dependencies.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr int deepest_folder = 64;

bool is_executable(const fs::path& path) {
  return (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
}

bool match_parts(const std::vector<std::string>& glob, std::size_t g, const std::vector<std::string>& path,
                 std::size_t p) {
  if (g == glob.size()) {
    return p == path.size();
  }
  if (glob[g] == "**") {
    for (std::size_t skip = p; skip <= path.size(); ++skip) {
      if (match_parts(glob, g + 1, path, skip)) {
        return true;
      }
    }
    return false;
  }
  return p < path.size() && ::fnmatch(glob[g].c_str(), path[p].c_str(), FNM_PERIOD) == 0 &&
         match_parts(glob, g + 1, path, p + 1);
}

// The folder that every match of a glob lies in.
fs::path fixed_part(const std::string& glob) {
  fs::path fixed;
  for (const std::string& part : split(glob, '/')) {
    if (is_glob(part)) {
      break;
    }
    fixed /= part;
  }
  return fixed;
}

template <typename Accept>
void find_below(const fs::path& project, const fs::path& folder, FileHashes& hashes, DependencyFiles& files,
                const Accept& accept) {
  std::error_code error;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator found(project / folder, options, error), end; found != end;
       found.increment(error)) {
    if (error) {
      throw Error(fmt::format("reading {}: {}", (project / folder).string(), error.message()));
    }
    if (found.depth() > deepest_folder) {
      throw Error(fmt::format("{} is nested deeper than {} folders; does a link lead back up?",
                              found->path().string(), deepest_folder));
    }
    const std::string name = found->path().filename().string();
    if (found->is_directory() && (name == ".mlpipe" || name == ".git")) {
      found.disable_recursion_pending();
      continue;
    }
    const std::string path = found->path().lexically_relative(project).string();
    if (found->is_regular_file() && accept(path)) {
      files.push_back({path, hashes.digest(found->path()), is_executable(found->path())});
    }
  }
}

}  // namespace

bool is_glob(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

bool matches_glob(const std::string& glob, const std::string& path) {
  return match_parts(split(glob, '/'), 0, split(path, '/'), 0);
}

DependencyFiles find_dependency(const fs::path& project, const std::string& path, FileHashes& hashes) {
  DependencyFiles files;
  const fs::path full = project / path;
  std::error_code error;
  const fs::file_status status = fs::status(full, error);
  if (fs::is_regular_file(status)) {
    files.push_back({path, hashes.digest(full), is_executable(full)});
  } else if (fs::is_directory(status)) {
    find_below(project, path, hashes, files, [](const std::string&) { return true; });
  } else if (fs::exists(status)) {
    throw Error(fmt::format("{} is neither a file nor a folder", full.string()));
  } else if (is_glob(path)) {
    const fs::path folder = fixed_part(path);
    if (fs::is_directory(project / folder, error)) {
      find_below(project, folder, hashes, files,
                 [&](const std::string& one) { return matches_glob(path, one); });
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace mlpipe
