#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/plan/result.hpp"

namespace mlpipe {

// One entry of a tree; folders appear only when they are empty.
struct TreeEntry {
  std::string path;  // inside the tree
  bool folder = false;
  bool executable = false;
  Digest digest;  // of a file's bytes
  std::uint64_t bytes = 0;

  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

// The entries of a tree's listing; throws Error unless the text is what the store writes for them, to the
// byte.
std::vector<TreeEntry> parse_tree(std::string_view text, const Digest& tree);

// Immutable bytes named by their SHA-256:
//   blobs/sha256/HEX   a file's bytes, or a tree's list of entries (JSON), as OCI layouts name them
//   trees/HEX/…        a tree laid out for use; its files are hard links to the blobs
// A name appears only once its bytes are complete. Any number of processes may write at once. What is beside
// these names (HEX.XXXXXX) is unfinished and read by nobody.
// Bytes are on disk after sync(), which whoever writes their digest into the index calls before. See boot.hpp
// for what a power cut leaves of bytes that no index row names.
class Blobs {
 public:
  explicit Blobs(std::filesystem::path root) : root_(std::move(root)) {}
  // Makes the folders of an empty store.
  void create() const;

  // Takes a file or folder of the same file system into the store, as hard links. What is at `path` shares
  // the bytes from then on and is read-only; taking it again gives the same output, so that whoever was
  // killed in between can begin again. Throws Error for what is neither (a link, a socket, a device).
  Output take(const std::string& name, const std::filesystem::path& path) const;
  Digest add(std::string_view bytes) const;
  // Brings everything that was taken or added so far to disk; cheap when nothing was.
  void sync() const;
  // The same as work that another thread may do, while this one takes and adds more; that more is not part of
  // it. Once it has failed, what it was for cannot be relied on.
  std::function<void()> sync_later() const;

  bool contains(const Output& output) const;
  // Where the output lies, read-only.
  std::filesystem::path path_of(const Output& output) const;
  std::filesystem::path path_of_blob(const Digest& digest) const;
  std::vector<TreeEntry> entries_of(const Digest& tree) const;

  // Copies an output to a place that does not exist yet; the copy is writable.
  void copy_to(const Output& output, const std::filesystem::path& destination) const;

 private:
  Digest take_file(const std::filesystem::path& path, bool executable) const;
  void lay_out(const std::filesystem::path& from, const std::vector<TreeEntry>& entries,
               const std::filesystem::path& tree) const;
  std::filesystem::path root_;
  mutable bool synced_ = true;
};

}  // namespace mlpipe
