#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// How a step runs, besides what it computes. Nothing here counts towards its key, but for `tools`, the number
// of processes and, for the built-in trainer, `cpu`.

// What a job takes up of the machine while it runs; nothing: it counts as a job and no more.
struct Resources {
  std::int64_t cpu = 0;      // thousandths of a core
  std::uint64_t memory = 0;  // bytes
  std::optional<int> gpu;    // 0 hides the machine's; nothing: they are left as they are
  Mark cpu_mark;
  Mark memory_mark;
  Mark gpu_mark;
};

enum class RunsOn { local, container, kubernetes };

// As how many processes a job's program runs.
struct Processes {
  static constexpr int most = 64;  // of either
  int nodes = 1;
  int of_each = 1;

  int count() const { return nodes * of_each; }
};

// How a failed job is tried again.
struct Retry {
  bool after_failure = true;  // it ended by itself and did not succeed
  bool after_kill = true;     // it was ended by a signal, or its agent was
  bool after_timeout = true;
  std::size_t limit = 0;  // times, after the first
  std::chrono::milliseconds backoff{1000};
  double factor = 2;  // from one wait to the next
  std::chrono::milliseconds longest_backoff{60'000};

  // Before the attempt with this number, from 1 for the first that is a retry.
  std::chrono::milliseconds wait_before(std::size_t attempt) const;
};

// A program that counts towards the key.
struct Tool {
  std::string name;  // looked up in PATH
  Mark mark;
};

// A variable whose value is a secret: only the secret's name is ever written down.
struct SecretVariable {
  std::string variable;
  std::string secret;
  Mark mark;
};

}  // namespace mlpipe
