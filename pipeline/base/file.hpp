#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace mlpipe {

// Throws Error("DOING: REASON") for the current errno.
[[noreturn]] void throw_errno(const std::string& doing);

// Owns a file descriptor. Movable; closes on destruction.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(); }

  int get() const { return descriptor_; }
  // Hands the descriptor over; the caller closes it.
  int release() { return std::exchange(descriptor_, -1); }
  explicit operator bool() const { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_ = -1;
};

// open(2) with O_CLOEXEC; throws Error with the path and the reason.
FileDescriptor open_file(const std::filesystem::path& path, int flags, mode_t mode = 0666);

inline constexpr std::uint64_t no_limit = ~std::uint64_t{0};

// The whole file; throws Error when it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = no_limit);
std::optional<std::string> read_file_if_exists(const std::filesystem::path& path,
                                               std::uint64_t limit = no_limit);

// All of `bytes`, or an Error that names `what`.
void write_all(int descriptor, std::string_view bytes, const std::string& what);

// When a write is on disk: once the call returns, or at some later time, before which a power cut may tear
// it.
enum class Durability { now, later };

// Readers see the old file or the new one: temporary name in the same folder, rename. `now`: also after a
// power cut, by an fsync of the file before the rename and of the folder after it.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0644,
                           Durability durability = Durability::now);

// Makes what was created, renamed or removed in the folder survive a power cut.
void sync_directory(const std::filesystem::path& directory);
// Makes all that was written so far to the file system that holds the path survive a power cut.
void sync_file_system(const std::filesystem::path& path);

// Removes a tree that may hold read-only folders. Nothing to remove is not an error.
void remove_tree(const std::filesystem::path& path);

// A relative path that stays inside its folder: not absolute, not empty, no ".." part, no NUL.
bool is_inside_path(std::string_view path);

// A kernel lock (flock) on a file, made when missing. It ends with the process, however that ends, and
// travels with the descriptor to a child that inherits it: then it is held until both have let it go.
class FileLock {
 public:
  // Waits until the lock is free.
  static FileLock wait(const std::filesystem::path& path);
  // Empty when somebody else holds it.
  static std::optional<FileLock> try_lock(const std::filesystem::path& path);

  // Whether anybody holds it now.
  static bool is_held(const std::filesystem::path& path);

  int descriptor() const { return descriptor_.get(); }
  // Gives up this process's hold without ending the hold of a child that inherited it.
  void release() { descriptor_.close(); }
  // Removes the file, or moves it out of the way, and lets the lock go. Whoever waits for it gets a lock on a
  // new file of that name.
  void remove();
  void move_away(const std::filesystem::path& to);

 private:
  FileLock(FileDescriptor descriptor, std::filesystem::path path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
  static std::optional<FileLock> lock(const std::filesystem::path& path, int operation);

  FileDescriptor descriptor_;
  std::filesystem::path path_;
};

// A folder with a name of its own under `parent`, removed with all in it on destruction.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mlpipe
