#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/plan/recipe.hpp"

namespace mlpipe {

// One output of a job, by the bytes that it holds.
struct Output {
  std::string name;     // as declared in `outs`
  bool folder = false;  // the digest is a tree's, not a file's
  Digest digest;
  std::uint64_t bytes = 0;

  friend bool operator==(const Output&, const Output&) = default;
};

// How a job failed, for who decides whether it is tried again.
enum class FailureKind {
  failed,  // it ended by itself, or did not keep its promises
  killed,  // by a signal
  timed_out,
  cancelled,  // by who asked for it
};

// One realization of an action key. A failed one is kept too, with its log.
struct Result {
  std::int64_t id = 0;  // from the index; 0: not stored yet
  Digest action_key;
  bool succeeded = false;
  std::string failure;                             // "exit status 3", when it failed
  FailureKind failure_kind = FailureKind::failed;  // of a job that has just ended; the index does not keep it
  std::vector<Output> outputs;
  std::map<std::string, double> metrics;  // nested names joined by dots
  Digest log;
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point finished;

  const Output* find_output(std::string_view name) const;
};

// The name of a result in every store that holds it, whatever its row there: derived from what it is (its
// key, whether it succeeded, its outputs and log, when it ran). Where people see it, it is its first 12
// hexadecimal digits; any prefix that only one result has is accepted.
Digest result_id(const Result& result);

// Whether the text can be the beginning of an id: 4 to 64 hexadecimal digits, in lower case.
bool is_id_prefix(std::string_view text);
// The results whose id begins with the prefix, in their order.
std::vector<Result> results_with_id(std::span<const Result> results, std::string_view prefix);

// What a step last stood for: to say what changed since.
struct Realization {
  Recipe action;
  std::map<std::string, std::string> params;
};

// Looks things up that were computed before. An implementation answers as of one moment.
class ResultSource {
 public:
  virtual ~ResultSource() = default;
  // Every result of the key, the oldest first.
  virtual std::vector<Result> results(const Digest& action_key) const = 0;
  // Why a succeeded result of the key is not among them: "the bytes of its result are gone from the store".
  // Empty when none is missing.
  virtual std::string why_lost(const Digest& action_key) const = 0;
  // The last action that the step of this pipeline led to.
  virtual std::optional<Realization> last_realization(const std::string& pipeline,
                                                      const std::string& step) const = 0;
};

}  // namespace mlpipe
