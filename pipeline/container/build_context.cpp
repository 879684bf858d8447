#include "pipeline/container/build_context.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/ignore_rules.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* ignore_name = ".dockerignore";
constexpr const char* store_name = ".mlpipe";
constexpr int deepest_folder = 256;

IgnoreRules rules_in(const fs::path& file) {
  try {
    return IgnoreRules::parse(read_file(file));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file.string(), error.what()));
  }
}

class Walk {
 public:
  Walk(const fs::path& context, const IgnoreRules& rules, BuildContext& found)
      : context_(context), rules_(rules), found_(found) {}

  void read(const fs::path& folder, const IgnoreRules::Verdict& verdict, int depth = 0) {
    if (depth > deepest_folder) {
      throw Error(
          fmt::format("{} is nested deeper than {} folders", (context_ / folder).string(), deepest_folder));
    }
    found_.folders.push_back(context_ / folder);
    std::error_code error;
    for (fs::directory_iterator entry(context_ / folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name == store_name) {
        continue;
      }
      const fs::path path = folder / name;
      add(*entry, path, rules_.judge(path.string(), verdict), depth);
    }
    if (error) {
      throw Error(fmt::format("reading {}: {}", (context_ / folder).string(), error.message()));
    }
  }

 private:
  void add(const fs::directory_entry& entry, const fs::path& path, const IgnoreRules::Verdict& verdict,
           int depth) {
    const fs::file_status status = entry.symlink_status();
    if (fs::is_directory(status)) {
      const std::size_t before = found_.entries.size();
      if (!verdict.left_out || rules_.may_bring_back_below(path.string())) {
        read(path, verdict, depth + 1);
      }
      if (!verdict.left_out && found_.entries.size() == before) {
        found_.entries.push_back({path.string(), ContextEntry::Kind::folder});
      }
    } else if (verdict.left_out) {
      return;
    } else if (fs::is_symlink(status)) {
      found_.entries.push_back(
          {path.string(), ContextEntry::Kind::link, fs::read_symlink(entry.path()).string()});
    } else if (fs::is_regular_file(status)) {
      const bool executable = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
      found_.entries.push_back(
          {path.string(), executable ? ContextEntry::Kind::executable : ContextEntry::Kind::file});
    }  // what is neither, a socket or a pipe, no engine sends
  }

  const fs::path& context_;
  const IgnoreRules& rules_;
  BuildContext& found_;
};

}  // namespace

std::vector<fs::path> ignore_files(const fs::path& dockerfile, const fs::path& context) {
  return {dockerfile.string() + ignore_name, context / ignore_name};
}

BuildContext find_build_context(const fs::path& dockerfile, const fs::path& context) {
  BuildContext found;
  const std::vector<fs::path> places = ignore_files(dockerfile, context);
  const auto place = std::find_if(places.begin(), places.end(), [](const fs::path& file) {
    std::error_code error;
    return fs::is_regular_file(file, error);
  });
  IgnoreRules rules;
  if (place != places.end()) {
    found.ignore_file = *place;
    rules = rules_in(*place);
  }
  Walk(context, rules, found).read({}, {});
  if (place == places.begin()) {
    std::erase_if(found.entries, [](const ContextEntry& entry) { return entry.path == ignore_name; });
  }
  std::sort(found.entries.begin(), found.entries.end());
  return found;
}

}  // namespace mlpipe
