#include "pipeline/store/blobs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/store/byte_count.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr mode_t read_only_file = 0444;
constexpr mode_t read_only_program = 0555;

bool is_executable(const fs::path& path) {
  return (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
}

void change_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) {
    throw_errno(fmt::format("making {} read-only", path.string()));
  }
}

// Every file and every empty folder below, sorted by path. Digests are filled in later.
std::vector<TreeEntry> list_tree(const fs::path& folder, const std::string& name) {
  std::vector<TreeEntry> entries;
  for (const auto& found : fs::recursive_directory_iterator(folder)) {
    TreeEntry entry;
    entry.path = found.path().lexically_relative(folder).string();
    const fs::file_status status = found.symlink_status();
    if (!is_utf8(entry.path)) {
      throw Error(
          fmt::format("the output {} holds a name that is not UTF-8: {}", name, printable(entry.path)));
    }
    if (fs::is_directory(status)) {
      entry.folder = true;
      if (!fs::is_empty(found.path())) {
        continue;
      }
    } else if (fs::is_regular_file(status)) {
      entry.executable = is_executable(found.path());
      entry.bytes = found.file_size();
    } else {
      throw Error(fmt::format("the output {}: {} is {}", name, entry.path,
                              fs::is_symlink(status) ? "a symbolic link" : "neither a file nor a folder"),
                  "outputs hold files and folders; copy what the link points to");
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
  return entries;
}

std::string tree_text(const std::vector<TreeEntry>& entries) {
  Json list = Json::array();
  for (const TreeEntry& entry : entries) {
    if (entry.folder) {
      list.push_back({{"path", entry.path}, {"folder", true}});
    } else {
      list.push_back({{"path", entry.path},
                      {"digest", "sha256:" + entry.digest.hex()},
                      {"size", entry.bytes},
                      {"executable", entry.executable}});
    }
  }
  return Json{{"mlpipe", "tree 1"}, {"entries", std::move(list)}}.dump();
}

void make_folders_read_only(const fs::path& folder) {
  std::vector<fs::path> folders = {folder};
  for (const auto& found : fs::recursive_directory_iterator(folder)) {
    if (found.is_directory()) {
      folders.push_back(found.path());
    }
  }
  for (const fs::path& one : folders) {
    change_mode(one, read_only_program);
  }
}

// A second name for the same bytes, unless that name is there already.
void link_file(const fs::path& from, const fs::path& to) {
  crash_point("link a file");
  if (::link(from.c_str(), to.c_str()) != 0 && errno != EEXIST) {
    throw_errno(fmt::format("storing {}", to.string()));
  }
  crash_point("linked a file");
}

}  // namespace

namespace {

// A tree that the store wrote has each path once, in order and in its plain form, and nothing below a file.
void check_paths(const std::vector<TreeEntry>& entries, const Digest& tree) {
  std::set<std::string_view> leaves;
  for (const TreeEntry& entry : entries) {
    if (!is_inside_path(entry.path) || fs::path(entry.path).lexically_normal().string() != entry.path ||
        entry.path.ends_with('/') || entry.path == ".") {
      throw Error(fmt::format("the tree {} names a path outside of itself", tree.hex()));
    }
    if (!leaves.empty() && entry.path <= *leaves.rbegin()) {
      throw Error(fmt::format("the tree {} is out of order", tree.hex()));
    }
    for (std::size_t slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1)) {
      if (leaves.contains(std::string_view(entry.path).substr(0, slash))) {
        throw Error(fmt::format("the tree {} has {} below a file", tree.hex(), entry.path));
      }
    }
    leaves.insert(entry.path);
  }
}

}  // namespace

std::vector<TreeEntry> parse_tree(std::string_view text, const Digest& tree) {
  constexpr std::string_view algorithm = "sha256:";
  std::vector<TreeEntry> entries;
  try {
    const Json list = Json::parse(text);
    for (const Json& item : list.at("entries")) {
      TreeEntry entry;
      entry.path = item.at("path");
      entry.folder = item.value("folder", false);
      if (!entry.folder) {
        entry.executable = item.at("executable");
        entry.bytes = byte_count(item.at("size"));
        const std::string digest = item.at("digest");
        entry.digest = Digest::from_hex(std::string_view(digest).substr(
            std::min(digest.size(), digest.starts_with(algorithm) ? algorithm.size() : 0)));
      }
      entries.push_back(std::move(entry));
    }
  } catch (const Json::exception& error) {
    throw Error(fmt::format("the tree {} is damaged: {}", tree.hex(), printable(error.what())));
  }
  if (tree_text(entries) != text) {
    throw Error(fmt::format("the tree {} is not written as mlpipe writes it", tree.hex()));
  }
  check_paths(entries, tree);
  return entries;
}

void Blobs::create() const {
  fs::create_directories(root_ / "blobs" / "sha256");
  fs::create_directories(root_ / "trees");
}

fs::path Blobs::path_of_blob(const Digest& digest) const {
  return root_ / "blobs" / "sha256" / digest.hex();
}

fs::path Blobs::path_of(const Output& output) const {
  return output.folder ? root_ / "trees" / output.digest.hex() : path_of_blob(output.digest);
}

bool Blobs::contains(const Output& output) const {
  return fs::exists(path_of(output));
}

Digest Blobs::add(std::string_view bytes) const {
  synced_ = false;  // also when it is there: another process may have put it there just now
  const Digest digest = digest_of(bytes);
  const fs::path path = path_of_blob(digest);
  if (!fs::exists(path)) {
    write_file_atomically(path, bytes, read_only_file, Durability::later);
  }
  return digest;
}

void Blobs::sync() const {
  if (!synced_) {
    sync_file_system(root_);
    synced_ = true;
  }
}

std::function<void()> Blobs::sync_later() const {
  if (std::exchange(synced_, true)) {
    return [] {};
  }
  return [root = root_] { sync_file_system(root); };
}

// The file becomes a blob and stays where it is.
Digest Blobs::take_file(const fs::path& path, bool executable) const {
  const Digest digest = digest_of_file(path);
  const fs::path blob = path_of_blob(digest);
  change_mode(path, executable ? read_only_program : read_only_file);
  if (!executable) {
    link_file(path, blob);
  } else if (!fs::exists(blob)) {
    // A mode belongs to the bytes' inode, so a program cannot share them with a plain file.
    write_file_atomically(blob, read_file(path), read_only_file, Durability::later);
  }
  return digest;
}

// Makes the tree's folder from the blobs, and from `from` where the mode is not a blob's.
void Blobs::lay_out(const fs::path& from, const std::vector<TreeEntry>& entries, const fs::path& tree) const {
  std::string name = tree.string() + ".XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw_errno(fmt::format("storing {}", tree.string()));
  }
  const fs::path unfinished = name;
  for (const TreeEntry& entry : entries) {
    const fs::path to = unfinished / entry.path;
    fs::create_directories(entry.folder ? to : to.parent_path());
    if (entry.folder) {
      continue;
    }
    const fs::path blob = path_of_blob(entry.digest);
    if (entry.executable || ::link(blob.c_str(), to.c_str()) != 0) {  // bytes can have only so many names
      link_file(from / entry.path, to);
    }
  }
  make_folders_read_only(unfinished);
  crash_point("name a tree");
  if (::rename(unfinished.c_str(), tree.c_str()) != 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) {
      throw_errno(fmt::format("storing {}", tree.string()));
    }
    remove_tree(unfinished);  // another process was faster
  }
  crash_point("named a tree");
}

Output Blobs::take(const std::string& name, const fs::path& path) const {
  synced_ = false;
  Output output;
  output.name = name;
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_regular_file(status)) {
    output.bytes = fs::file_size(path);
    output.digest = take_file(path, false);
    return output;
  }
  if (!fs::is_directory(status)) {
    throw Error(fmt::format("the output {} is {}", name,
                            fs::is_symlink(status) ? "a symbolic link" : "neither a file nor a folder"),
                "outputs are files and folders; copy what the link points to");
  }
  output.folder = true;
  std::vector<TreeEntry> entries = list_tree(path, name);
  for (TreeEntry& entry : entries) {
    if (!entry.folder) {
      entry.digest = take_file(path / entry.path, entry.executable);
      output.bytes += entry.bytes;
    }
  }
  output.digest = add(tree_text(entries));
  if (const fs::path tree = path_of(output); !fs::exists(tree)) {
    lay_out(path, entries, tree);
  }
  return output;
}

std::vector<TreeEntry> Blobs::entries_of(const Digest& tree) const {
  return parse_tree(read_file(path_of_blob(tree)), tree);
}

void Blobs::copy_to(const Output& output, const fs::path& destination) const {
  if (fs::exists(fs::symlink_status(destination))) {
    throw UsageError(fmt::format("{} is there already", destination.string()),
                     "name a place that does not exist yet");
  }
  if (!output.folder) {
    fs::copy_file(path_of(output), destination);
    fs::permissions(destination, fs::perms::owner_write, fs::perm_options::add);
    return;
  }
  fs::create_directories(destination);
  for (const TreeEntry& entry : entries_of(output.digest)) {
    const fs::path to = destination / entry.path;
    fs::create_directories(entry.folder ? to : to.parent_path());
    if (!entry.folder) {
      fs::copy_file(path_of_blob(entry.digest), to);
      change_mode(to, entry.executable ? 0755 : 0644);
    }
  }
}

}  // namespace mlpipe
