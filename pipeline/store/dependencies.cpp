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
void find_below(const fs::path& project, const fs::path& folder, int depth, FoundDependency& found,
                const Accept& accept) {
  if (depth > deepest_folder) {
    throw Error(fmt::format("{} is nested deeper than {} folders; does a link lead back up?",
                            (project / folder).string(), deepest_folder));
  }
  found.watched.push_back({folder.string(), stamp_of(project / folder)});
  std::error_code error;
  for (fs::directory_iterator entry(project / folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const fs::path path = folder / name;
    std::error_code unreadable;
    if (entry->is_directory(unreadable)) {
      if (name != ".mlpipe" && name != ".git") {
        find_below(project, path, depth + 1, found, accept);
      }
    } else if (entry->is_regular_file(unreadable) && accept(path.string())) {
      found.watched.push_back({path.string(), stamp_of(entry->path())});
      found.files.push_back({path.string(), {}, is_executable(entry->path())});
    }
  }
  if (error) {
    throw Error(fmt::format("reading {}: {}", (project / folder).string(), error.message()));
  }
}

}  // namespace

bool is_glob(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

bool matches_glob(const std::string& glob, const std::string& path) {
  return match_parts(split(glob, '/'), 0, split(path, '/'), 0);
}

FoundDependency find_dependency(const fs::path& project, const std::string& path) {
  FoundDependency found;
  const fs::path full = project / path;
  std::error_code error;
  const fs::file_status status = fs::status(full, error);
  if (fs::is_regular_file(status)) {
    found.watched.push_back({path, stamp_of(full)});
    found.files.push_back({path, {}, is_executable(full)});
  } else if (fs::is_directory(status)) {
    find_below(project, path, 0, found, [](const std::string&) { return true; });
  } else if (fs::exists(status)) {
    throw Error(fmt::format("{} is neither a file nor a folder", full.string()));
  } else if (is_glob(path)) {
    const fs::path folder = fixed_part(path);
    if (fs::is_directory(project / folder, error)) {
      find_below(project, folder, 0, found, [&](const std::string& one) { return matches_glob(path, one); });
    } else {
      found.watched.push_back({folder.string(), std::nullopt});
    }
  } else {
    found.watched.push_back({path, std::nullopt});
  }
  std::sort(found.files.begin(), found.files.end());
  return found;
}

}  // namespace mlpipe
