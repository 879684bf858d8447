#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// Keeps gc from taking bytes away that somebody is about to use. Whoever acts on what the index says (a run,
// an export, a rollback) holds it, many at once, from before it looks until it is done; gc holds it alone. It
// ends with the process, and jobs do not inherit it: gc finds what they use by their own locks and folders.
class StoreLock {
 public:
  // Waits while gc decides what goes, which is short. Holds nothing where the store cannot be written: nobody
  // collects there.
  static StoreLock shared(const std::filesystem::path& store);
  // Empty when anybody holds it.
  static std::optional<StoreLock> try_alone(const std::filesystem::path& store);
  // Waits until nobody else holds it.
  static StoreLock alone(const std::filesystem::path& store);

 private:
  explicit StoreLock(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

// A process that holds the lock, for a message: as the kernel tells, so none where it does not tell.
struct StoreUser {
  pid_t process = 0;
  std::string command;  // "mlpipe run"; empty: not known
};
std::vector<StoreUser> store_users(const std::filesystem::path& store);

}  // namespace mlpipe
