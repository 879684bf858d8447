#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/json.hpp"
#include "pipeline/cli/reporter.hpp"
#include "pipeline/cli/with_plan.hpp"
#include "pipeline/exec/snapshot.hpp"
#include "pipeline/run/cluster_view.hpp"

namespace mlpipe {
namespace {

constexpr int exit_done = 0;
constexpr int exit_failed = 1;
constexpr int exit_wrong_request = 2;
constexpr int exit_interrupted = 130;

// A signal handler can reach nothing but this.
std::atomic<int> interrupts = 0;  // NOLINT: see above
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void count_interrupt(int) {
  if (interrupts.fetch_add(1) > 0) {
    ::_exit(exit_interrupted);
  }
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = count_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

int plan_command(const Invocation& invocation) {
  const UsePlan show = [&](const Plan& plan, const Effects& effects, const Spec& spec) {
    const auto changes = [&] {
      return cluster_changes(spec, plan, effects, Store::default_directory(spec.project));
    };
    if (invocation.json()) {
      fmt::print("{}", plan_json(plan, effects, spec, changes()));
      return;
    }
    const Terminal terminal = Terminal::standard_output();
    fmt::print("{}\n{}", terminal.bold(spec.name), plan_text(plan, effects, spec, terminal));
    fmt::print("{}", cluster_changes_text(changes()));
    if (!plan.anything_to_run() && effects.nothing_to_do()) {
      fmt::print("nothing changed: a run would do nothing\n");
    }
  };
  with_plan(invocation, show, true);
  return exit_done;
}

int lint_command(const Invocation& invocation) {
  const std::filesystem::path file = pipeline_file(invocation);
  try {
    const Spec spec = load_spec(file, adjustments_of(invocation));
    FileHashes hashes(nullptr);
    const NoResults no_results;
    take_snapshot(spec, Programs::beside_this_one(), hashes, no_results);
    if (!invocation.json()) {
      fmt::print(stderr, "{}: {}, no faults\n", file.string(), count_of(spec.steps.size(), "step"));
      return exit_done;
    }
  } catch (const SpecError& error) {
    if (!invocation.json()) {
      throw;
    }
    fmt::print("{}", faults_json(file.string(), error.diagnostics()));
    return exit_wrong_request;
  }
  fmt::print("{}", faults_json(file.string(), {}));
  return exit_done;
}

int run_command(const Invocation& invocation) {
  if (invocation.has("--dry-run")) {
    return plan_command(invocation);
  }
  RunRequest request = request_of(invocation);
  catch_interrupts();
  request.interrupts = &interrupts;
  request.whole = invocation.json();
  const Terminal terminal = Terminal::standard_error();
  Reporter reporter(terminal);
  const RunReport report = run_pipeline(request, reporter);
  fmt::print(stderr, "{}", summary_text(report, terminal));
  if (invocation.json()) {
    fmt::print("{}", run_json(report));
  }
  switch (report.outcome) {
    case RunReport::Outcome::succeeded:
      return exit_done;
    case RunReport::Outcome::failed:
      return exit_failed;
    case RunReport::Outcome::interrupted:
      return exit_interrupted;
  }
  return exit_failed;
}

}  // namespace mlpipe
