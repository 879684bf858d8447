#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

namespace mlpipe {

// Where the processes of a training meet, as PyTorch's launchers say it.
struct GroupAddress {
  std::string host;
  std::uint16_t port = 0;
  int rank = 0;
  int size = 1;

  // From RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; nothing when none of them is set or there is one
  // process. Throws UsageError when they do not go together.
  static std::optional<GroupAddress> from_environment();
};

// The processes that train one network together, each on its share of every batch. Collectives are c10d's,
// over gloo. All processes make the same calls in the same order; a call throws Error when another process
// has ended. Used from one thread.
class ProcessGroup {
 public:
  ProcessGroup();  // of this process alone, where every call does nothing
  // Waits until all are there.
  explicit ProcessGroup(const GroupAddress& address);
  ProcessGroup(ProcessGroup&&) noexcept;
  ProcessGroup& operator=(ProcessGroup&&) noexcept;
  ~ProcessGroup();

  int rank() const { return rank_; }
  int size() const { return size_; }

  // The sum over all processes, in place; contiguous.
  void sum(at::Tensor tensor) const;
  // Everybody gets what the first process has, in place; contiguous.
  void broadcast(at::Tensor tensor) const;

 private:
  struct Backend;
  std::unique_ptr<Backend> backend_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace mlpipe
