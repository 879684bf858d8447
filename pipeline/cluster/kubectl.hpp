#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

// A cluster, asked through kubectl: contexts, login plugins and, in a pod, the pod's own account work as its
// users have set them up. A value; any number of threads may use one.
class Kubectl {
 public:
  // $MLPIPE_KUBECTL or kubectl from PATH, with that context (empty: the current one; in a pod without a
  // kubeconfig the pod's own cluster). Asks no cluster. Throws Error that says what was looked for and what
  // to do when there is no kubectl, UsageError for a context that the kubeconfig does not have.
  static Kubectl find(const std::string& context, const Environment& environment);

  Kubectl(std::filesystem::path program, std::string context, Environment environment)
      : program_(std::move(program)), context_(std::move(context)), environment_(std::move(environment)) {}

  const std::string& context() const { return context_; }

  // What runs `kubectl [--context C] ARGUMENTS…`.
  Command command(std::vector<std::string> arguments) const;
  // Runs it to its end, however that is.
  Captured run(std::vector<std::string> arguments, std::string_view input = "") const;
  // What it printed. Throws Error, see failure().
  std::string ask(std::vector<std::string> arguments, std::string_view input = "") const;

  // Where its requests go to when they name nothing else. One call of kubectl, which asks no cluster.
  struct Where {
    std::string context;     // empty in a pod: its own cluster
    std::string name_space;  // "default" where the context names none
  };
  Where where() const;
  // Throws Error that says so plainly when the cluster does not answer.
  void require_answer() const;

  // The Error for a call that failed, as cluster_failure() says it; when kubectl may have failed for being
  // more than a minor version away from the cluster, that is looked up and said too.
  Error failure(std::string_view doing, const Captured& captured) const;

 private:
  std::filesystem::path program_;
  std::string context_;
  Environment environment_;
};

// What every object that mlpipe makes is known by.
namespace cluster_label {
inline constexpr const char* managed_by = "app.kubernetes.io/managed-by";  // "mlpipe"
inline constexpr const char* part_of = "app.kubernetes.io/part-of";        // the pipeline
inline constexpr const char* name = "app.kubernetes.io/name";
inline constexpr const char* instance = "app.kubernetes.io/instance";
inline constexpr const char* component = "app.kubernetes.io/component";  // "step", "server"
inline constexpr const char* version = "app.kubernetes.io/version";
inline constexpr const char* job = "mlpipe.dev/job";  // of a step's objects: PodOrder::name
}  // namespace cluster_label
inline constexpr const char* field_manager = "mlpipe";

// As a label's value may be: others are replaced, and at most 63 characters are kept.
std::string label_value(std::string_view text);

}  // namespace mlpipe
