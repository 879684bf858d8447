#include "pipeline/store/verify_bytes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr mode_t write_bits = 0222;

struct stat status_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    throw_errno(fmt::format("looking at {}", path.string()));
  }
  return status;
}

// Calls `check` for 0 to count - 1, on all cores. An exception of any of them comes out.
void on_all_cores(std::size_t count, const std::function<void(std::size_t)>& check) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(std::max(1U, std::thread::hardware_concurrency()));
  {
    std::vector<std::jthread> threads;
    for (std::exception_ptr& error : errors) {
      threads.emplace_back([&] {
        try {
          for (std::size_t i = next++; i < count; i = next++) {
            check(i);
          }
        } catch (...) {
          error = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) {
      std::rethrow_exception(error);
    }
  }
}

// What is wrong with a file that is to have this digest; empty when nothing is.
std::string fault_in_bytes(const fs::path& path, const Digest& digest) {
  try {
    return digest_of_file(path) == digest ? "" : "its bytes are not those that it is named after";
  } catch (const Error& error) {
    return error.what();
  }
}

struct TreeFault {
  std::string problem;  // empty: none
  bool mode_only = false;
};

class TreeCheck {
 public:
  TreeCheck(const Blobs& blobs, const std::set<Digest>& bad_blobs, bool quick)
      : blobs_(blobs), bad_blobs_(bad_blobs), quick_(quick) {}

  // `entries` is what the tree should hold, as far as that is known.
  TreeFault check(const Digest& digest, std::vector<TreeEntry>& entries) {
    const fs::path folder = blobs_.path_of({"", true, digest, 0});
    if (bad_blobs_.contains(digest)) {
      return {"its listing is damaged"};
    }
    if (!fs::exists(blobs_.path_of_blob(digest))) {
      return {"its listing is missing"};
    }
    try {
      entries = blobs_.entries_of(digest);
    } catch (const Error& error) {
      return {error.what()};
    }
    std::set<std::string> wanted;
    TreeFault worst;
    for (const TreeEntry& entry : entries) {
      wanted.insert(entry.path);
      TreeFault fault = check_entry(folder / entry.path, entry);
      fault.problem.insert(0, fault.problem.empty() ? "" : entry.path + ": ");
      if (!fault.problem.empty() && !fault.mode_only) {
        return fault;
      }
      worst = fault.problem.empty() ? worst : fault;
    }
    for (const auto& found : fs::recursive_directory_iterator(folder)) {
      const std::string path = found.path().lexically_relative(folder).string();
      const bool folder_with_entries = found.is_directory() && !found.is_symlink() && !fs::is_empty(found);
      if (!folder_with_entries && !wanted.contains(path)) {
        return {fmt::format("{}: it does not belong there", path)};
      }
    }
    return worst;
  }

  std::uint64_t read() const { return read_; }

 private:
  TreeFault check_entry(const fs::path& path, const TreeEntry& entry) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      return {"it is missing"};
    }
    if (entry.folder) {
      return {S_ISDIR(status.st_mode) ? "" : "it is no folder"};
    }
    if (!S_ISREG(status.st_mode)) {
      return {"it is no file"};
    }
    if (static_cast<std::uint64_t>(status.st_size) != entry.bytes) {
      return {fmt::format("it has {} bytes and should have {}", status.st_size, entry.bytes)};
    }
    struct stat blob {};
    if (::lstat(blobs_.path_of_blob(entry.digest).c_str(), &blob) != 0) {
      return {"its bytes are not among the blobs"};
    }
    if (bad_blobs_.contains(entry.digest)) {
      return {"its bytes are damaged"};
    }
    const bool is_the_blob = blob.st_ino == status.st_ino && blob.st_dev == status.st_dev;
    if (!quick_ && !is_the_blob) {
      read_ += entry.bytes;
      if (std::string fault = fault_in_bytes(path, entry.digest); !fault.empty()) {
        return {std::move(fault)};
      }
    }
    if (((status.st_mode & S_IXUSR) != 0) != entry.executable) {
      return {entry.executable ? "it cannot be executed any more" : "it can be executed", true};
    }
    const bool writable = (status.st_mode & write_bits) != 0 && !is_the_blob;  // that is told of the blob
    return {writable ? "it can be written" : "", true};
  }

  const Blobs& blobs_;
  const std::set<Digest>& bad_blobs_;
  bool quick_;
  std::uint64_t read_ = 0;
};

bool is_being_written(const std::string& name) {
  constexpr std::size_t digits = 2 * Digest::size;
  return name.size() > digits && name[digits] == '.' && Digest::is_hex(name.substr(0, digits));
}

// The names below a folder that are digests, sorted.
std::vector<Digest> digests_in(const fs::path& folder, bool of_folders, std::vector<fs::path>& unknown) {
  std::vector<Digest> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool right_kind =
        of_folders ? fs::is_directory(entry.symlink_status()) : fs::is_regular_file(entry.symlink_status());
    if (right_kind && Digest::is_hex(name) && Digest::from_hex(name).hex() == name) {
      found.push_back(Digest::from_hex(name));
    } else if (!is_being_written(name)) {
      unknown.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

CheckedBytes check_bytes(const fs::path& store, bool quick) {
  const Blobs blobs(store);
  CheckedBytes checked;
  const std::vector<Digest> names = digests_in(store / "blobs" / "sha256", false, checked.unknown);
  std::vector<std::string> faults(names.size());
  std::vector<char> writable(names.size());
  std::atomic<std::uint64_t> read = 0;
  on_all_cores(names.size(), [&](std::size_t i) {
    const fs::path path = blobs.path_of_blob(names[i]);
    const struct stat status = status_of(path);
    writable[i] = static_cast<char>((status.st_mode & write_bits) != 0);
    if (!quick) {
      faults[i] = fault_in_bytes(path, names[i]);
      read += static_cast<std::uint64_t>(status.st_size);
    }
  });
  std::set<Digest> bad;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const fs::path path = blobs.path_of_blob(names[i]);
    if (!faults[i].empty()) {
      checked.bad_blobs.push_back({path, names[i], faults[i], false});
      bad.insert(names[i]);
    } else if (writable[i] != 0) {
      checked.bad_blobs.push_back({path, names[i], "it can be written", true});
    }
  }
  checked.blobs = names.size();

  const std::vector<Digest> trees = digests_in(store / "trees", true, checked.unknown);
  std::vector<TreeFault> tree_faults(trees.size());
  std::vector<std::vector<TreeEntry>> entries(trees.size());
  on_all_cores(trees.size(), [&](std::size_t i) {
    TreeCheck check(blobs, bad, quick);
    tree_faults[i] = check.check(trees[i], entries[i]);
    read += check.read();
  });
  for (std::size_t i = 0; i < trees.size(); ++i) {
    for (const TreeEntry& entry : entries[i]) {
      if (!entry.folder) {
        checked.trees_of[entry.digest].push_back(trees[i]);
      }
    }
    if (!tree_faults[i].problem.empty()) {
      checked.bad_trees.push_back({blobs.path_of({"", true, trees[i], 0}), trees[i], tree_faults[i].problem,
                                   tree_faults[i].mode_only});
    }
  }
  checked.trees = trees.size();
  checked.read = read;
  return checked;
}

}  // namespace mlpipe
