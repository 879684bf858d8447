#include "pipeline/run/run_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "pipeline/base/open_files.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/existing_target.hpp"
#include "pipeline/deploy/rollout.hpp"
#include "pipeline/exec/kubernetes_runner.hpp"
#include "pipeline/exec/leftovers.hpp"
#include "pipeline/exec/machine.hpp"
#include "pipeline/exec/remote_results.hpp"
#include "pipeline/exec/requirements.hpp"
#include "pipeline/exec/runner_by_place.hpp"
#include "pipeline/model/check_model.hpp"
#include "pipeline/registry/gate.hpp"
#include "pipeline/registry/provenance.hpp"
#include "pipeline/run/beginning.hpp"
#include "pipeline/run/wanted_target.hpp"
#include "pipeline/store/history.hpp"
#include "pipeline/store/store_lock.hpp"

namespace mlpipe {
namespace {

using Outcome = RunReport::Outcome;

// A release that no deployment serves still gets a name that moves.
constexpr const char* alias_without_deployment = "latest";

std::string alias_of(const Spec& spec) {
  return spec.deploy ? spec.deploy->alias : alias_without_deployment;
}

Observed observe(const Spec& spec, const Store* store, Target* target) {
  Observed observed;
  if (spec.model && store != nullptr) {
    const Registry registry(*store);
    observed.alias = registry.alias_state(spec.model->name, alias_of(spec));
    observed.releases = registry.versions_by_tree(spec.model->name);
    if (target != nullptr) {
      observed.serving = target->observe();
    }
  }
  return observed;
}

// An alias names one deployment on this store: another model must not take it over unnoticed.
void check_alias_is_free(const Spec& spec, const Store& store) {
  if (!spec.deploy || !spec.model) {
    return;
  }
  const auto record = find_deployment(store, spec.deploy->alias);
  if (record && record->model != spec.model->name && record->phase != "stopped") {
    throw UsageError("the alias '" + spec.deploy->alias + "' already serves the model '" + record->model +
                         "' from this store",
                     "give this deployment another alias, or stop that one with `mlpipe down`");
  }
}

// What the cached steps stand for now, so that the next plan can say what changed since.
void write_down_cached(const Plan& plan, const Spec& spec, Store& store) {
  for (const PlannedStep& planned : plan.steps()) {
    if (planned.state == PlannedStep::State::cached && planned.action) {
      store.add_realization(spec.name, planned.step->name, planned.derivation, *planned.action,
                            planned.step->params);
    }
  }
}

// A volume of a cluster is between mlpipe and its Jobs, unless this process has it mounted.
bool is_shared(const RemoteSpec& remote) {
  return !remote.url.starts_with("pvc://") || own_environment().contains("MLPIPE_REMOTE_DIR");
}

// Nothing where the pipeline names none, or nothing runs that it could have.
std::unique_ptr<RemoteResults> remote_of(const Spec& spec, const Plan& plan, const Programs& programs,
                                         Store* store, RunObserver& observer) {
  if (!spec.remote || !plan.anything_to_run() || !is_shared(*spec.remote)) {
    return nullptr;
  }
  return std::make_unique<RemoteResults>(
      store, RemoteResults::Options{spec.remote->url, spec.remote->required, programs.registry},
      [&observer](const std::string& sentence) { observer.warned(sentence); });
}

// What was cached here but is not in the remote: from before it was named, or was out of reach.
void push_what_is_missing(const Plan& plan, RemoteResults& remote) {
  for (const PlannedStep& planned : plan.steps()) {
    if (planned.state == PlannedStep::State::cached && travels(*planned.step) &&
        !remote.may_have(planned.action_key)) {
      remote.push(planned.action_key);
    }
  }
}

// For who looks at a plan: which of the steps that would run have their results there.
void say_what_remote_has(Plan& plan, const Spec& spec, const Programs& programs, Store* store,
                         RunObserver& observer) {
  const std::unique_ptr<RemoteResults> remote = remote_of(spec, plan, programs, store, observer);
  for (std::size_t i = 0; remote && i < plan.steps().size(); ++i) {
    const PlannedStep& planned = plan.steps()[i];
    if (planned.state == PlannedStep::State::run && !planned.forced && travels(*planned.step) &&
        planned.action && remote->has(planned.action_key)) {
      plan.add_reason(i, "cached in the remote");
    }
  }
}

// Those that the plan may need.
std::shared_ptr<Runner> runner_of(const Spec& spec, const Programs& programs, const Store& store,
                                  rlim_t open_files, Sentences& sentences) {
  auto here = std::make_unique<LocalRunner>(programs.agent, store.directory(), open_files);
  const bool in_cluster = std::any_of(spec.steps.begin(), spec.steps.end(),
                                      [](const Step& step) { return step.runs_on == RunsOn::kubernetes; });
  if (!in_cluster) {
    return here;
  }
  ClusterAccess access = spec.cluster;
  access.registry = cluster_registry(spec);
  auto cluster = std::make_unique<KubernetesRunner>(
      KubernetesRunner::Options{std::move(access), spec.remote->url, store.directory(), programs.kubernetes},
      [&sentences](const std::string& sentence) { sentences.add(sentence); });
  return std::make_shared<RunnerByPlace>(std::move(here), std::move(cluster));
}

// How many jobs run at once, and what they may take up.
Capacity room_for_jobs(Capacity capacity, const RunRequest& request, rlim_t open_files) {
  constexpr std::size_t most_in_cluster = 256;  // the cluster has a queue of its own
  constexpr rlim_t files_of_a_job = 5;
  constexpr rlim_t files_besides = 100;
  const auto most =
      std::max<std::size_t>(1, (std::max(open_files, files_besides) - files_besides) / files_of_a_job);
  capacity.jobs = std::min(most, request.jobs != 0 ? request.jobs : static_cast<std::size_t>(usable_cores()));
  capacity.cluster_jobs = std::min(most, request.jobs != 0 ? request.jobs : most_in_cluster);
  return capacity;
}

// How every step ended. What the plan and the outline say is all that it needs.
void write_down_run(const Plan& plan, const std::optional<Outline>& outline, const History& history,
                    std::int64_t run) {
  std::vector<RunStepRecord> records;
  for_each_step(plan, outline, [&](const std::string& name, const PlannedStep& planned) {
    records.push_back(record_of(name, planned));
  });
  history.add_steps(run, records);
}

// A run in the store's history; one that is left by an exception is written down as failed.
class RecordedRun {
 public:
  RecordedRun(const Store& store, const Spec& spec)
      : history_(store), number_(history_.begin(spec.name, spec.params)) {}
  RecordedRun(const RecordedRun&) = delete;
  RecordedRun& operator=(const RecordedRun&) = delete;
  ~RecordedRun() {
    try {
      history_.end(number_, name_of(outcome), git, release);
    } catch (const std::exception&) {  // the run stays "running" in the history; what it did is kept
    }
  }

  const History& history() const { return history_; }
  std::int64_t number() const { return number_; }

  Outcome outcome = Outcome::failed;
  std::string git;
  std::string release;

 private:
  History history_;
  std::int64_t number_;
};

// Whether every step has its result, or was skipped.
bool is_complete(const Plan& plan) {
  return std::all_of(plan.steps().begin(), plan.steps().end(), [](const PlannedStep& planned) {
    return planned.state == PlannedStep::State::cached || planned.state == PlannedStep::State::succeeded ||
           planned.state == PlannedStep::State::skipped;
  });
}

// What the server would refuse is said before it is published, with all that is to be done about it.
void require_model(const Output& output, const Spec& spec, const Store& store) {
  const std::vector<ModelFault> faults = check_model(store.blobs().path_of(output));
  if (!faults.empty()) {
    throw Error(fmt::format("{} is no model that can be served, and is not published:{}",
                            spec.model->from.text(), text_of(faults)),
                "`mlpipe models check DIR` looks at a folder before");
  }
}

// The gate, then the release. Nothing when the gate held it back.
std::optional<Release> publish(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline,
                               const Observed& observed, const std::string& git, const Store& store,
                               Registry& registry, RunObserver& observer, RunReport& report) {
  const Output& output = *model_output(spec, plan);
  if (!output.folder) {
    throw Error(
        "the model " + spec.model->from.text() + " is a file, and a model is a folder that holds model.yaml",
        "let the step write a folder and name that in `model.from`");
  }
  require_model(output, spec, store);
  report.gate_failures = unmet_gate(spec, plan, observed.alias);
  if (!report.gate_failures.empty()) {
    report.outcome = Outcome::failed;
    return std::nullopt;
  }
  observer.gate_passed(spec, report);
  const Release release = registry.publish(spec.model->name, output, release_metrics(spec, plan),
                                           provenance_of(spec, plan, outline, git));
  report.new_version = report.effects.publish == Effects::Publish::publish;
  report.changed = true;
  observer.published(release, report.new_version);
  return release;
}

// What serves the alias on another target gives way first: both would listen at the same place.
void stop_elsewhere(const Spec& spec, const Store& store) {
  const auto record = find_deployment(store, spec.deploy->alias);
  if (record && record->target != spec.deploy->target && record->phase != "stopped") {
    existing_target(store, *record, Programs::beside_this_one())->stop();
  }
}

// Brings the release to its traffic; the alias moves only when it serves.
void deploy(const Spec& spec, const Store& store, Registry& registry, Target& target, const Release& release,
            const std::atomic<int>* interrupts, RunObserver& observer, RunReport& report) {
  observer.rolling_out(release, report.effects);
  report.changed = true;
  stop_elsewhere(spec, store);
  std::optional<ServedRelease> previous;
  const auto current = registry.resolve(release.model, spec.deploy->alias);
  if (current && current->version != release.version && registry.has_files(*current)) {
    previous = served(store, *current);
  }
  RolloutOptions options;
  if (report.effects.rollout ==
      Effects::Rollout::update) {  // else there is nothing that it can be compared with
    options.strategy = spec.deploy->strategy;
  }
  options.record = [&](const Rollout& rollout) {
    record_deployment(store, spec.deploy->alias, release.model, spec.deploy->target, release.version,
                      name_of(rollout.phase()));
  };
  options.looked = [&](const Rollout& rollout, const Traffic& traffic) {
    observer.watched(release, rollout.weight(), traffic);
  };
  target.tell([&observer](const std::string& sentence) { observer.warned(sentence); });
  options.interrupted = [interrupts] { return interrupts != nullptr && *interrupts > 0; };
  const Rollout rollout = roll_out(target, served(store, release), previous, options);
  if (rollout.phase() != Rollout::Phase::promoted) {
    report.outcome = options.interrupted() ? Outcome::interrupted : Outcome::failed;
    report.rollout_failure = rollout.failure();
    if (current && current->version != release.version) {
      record_deployment(store, spec.deploy->alias, release.model, spec.deploy->target, current->version,
                        name_of(Rollout::Phase::promoted));
    }
  }
}

void carry_out_effects(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline,
                       const std::string& git, const Store& store, Target* target,
                       const std::atomic<int>* interrupts, RunObserver& observer, RunReport& report) {
  if (!spec.model) {
    return;
  }
  const FileLock lock = FileLock::wait(rollout_lock(store, alias_of(spec)));
  Registry registry(store);
  const Observed observed = observe(spec, &store, target);
  report.effects = plan_effects(spec, plan, observed, wanted_serving(spec, plan, target));
  const Effects::Publish wanted = report.effects.publish;
  std::optional<Release> release = registry.resolve(spec.model->name, alias_of(spec));
  bool alias_moves = false;
  if (wanted == Effects::Publish::publish || wanted == Effects::Publish::move) {
    if (const auto published =
            publish(spec, plan, outline, observed, git, store, registry, observer, report)) {
      release = published;
      report.release = published;
      alias_moves = true;
    } else {
      // The gate held the new release back: what stands behind the alias must still be served.
      report.effects.rollout = observed.alias && target != nullptr && !observed.serving.running
                                   ? Effects::Rollout::start
                                   : Effects::Rollout::unchanged;
    }
  }
  const Effects::Rollout rollout = report.effects.rollout;
  if (target != nullptr && release && rollout != Effects::Rollout::unchanged &&
      rollout != Effects::Rollout::none && rollout != Effects::Rollout::undecided) {
    deploy(spec, store, registry, *target, *release, interrupts, observer, report);
  }
  if (alias_moves && report.rollout_failure.empty()) {
    registry.move_alias(release->model, alias_of(spec), release->version,
                        report.new_version ? "published" : "moved");
  }
  if (target != nullptr) {
    report.address = target->observe().address;
  }
}

}  // namespace

const char* name_of(RunReport::Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded:
      return "succeeded";
    case Outcome::failed:
      return "failed";
    case Outcome::interrupted:
      return "interrupted";
  }
  return "";
}

RunReport run_pipeline(const RunRequest& request, RunObserver& observer) {
  RunReport report;
  const Programs programs = Programs::beside_this_one();
  const std::filesystem::path file = std::filesystem::absolute(request.file).lexically_normal();
  report.store = Store::default_directory(file.parent_path());
  std::optional<Store> store =
      request.dry_run ? Store::open_to_read(report.store) : Store::open_existing(report.store);
  std::optional<StoreLock> in_use;
  if (store && !request.dry_run) {
    in_use.emplace(StoreLock::shared(report.store));
  }
  FileHashes hashes(store ? &store->database() : nullptr);
  Beginning beginning = begin(request, file, programs, hashes, store ? &*store : nullptr);
  report.spec = beginning.spec;
  const Spec& spec = *report.spec;
  Snapshot& snapshot = beginning.snapshot;
  Plan plan(spec, snapshot, request.plan, std::move(beginning.known));
  std::unique_ptr<Target> target = wanted_target(spec, plan, programs, report.store, hashes);
  const Observed observed = observe(spec, store ? &*store : nullptr, target.get());
  report.effects = plan_effects(spec, plan, observed, wanted_serving(spec, plan, target.get()));
  const Capacity capacity = capacity_of_machine();
  const Secrets secrets = require_what_runs(spec, plan, capacity, own_environment(), request.file.string());
  const std::optional<ContainerHost> container_host =
      request.dry_run ? std::nullopt
                      : require_container_host(spec, plan, own_environment(), request.file.string());
  if (!request.dry_run) {
    require_cluster(spec, plan, own_environment(), request.file.string());
  }
  if (request.dry_run && request.ask_remote) {
    say_what_remote_has(plan, spec, programs, store ? &*store : nullptr, observer);
  }
  observer.planned(plan, report.effects, spec, secrets);
  report.address = observed.serving.address;

  if (!request.dry_run) {
    if (!store) {  // made only for a pipeline without faults
      store.emplace(Store::open(report.store));
      in_use.emplace(StoreLock::shared(report.store));
      snapshot.results = &*store;
      hashes.remember_in(store->database());
    }
    store->require_writable();
    check_alias_is_free(spec, *store);
    hashes.save();
    remove_leftovers(*store);
    write_down_cached(plan, spec, *store);
    if (plan.anything_to_run() || !report.effects.nothing_to_do()) {
      const std::unique_ptr<RemoteResults> remote = remote_of(spec, plan, programs, &*store, observer);
      RecordedRun run(*store, spec);
      report.changed = plan.anything_to_run();
      Sentences sentences;
      bool interrupted = false;
      {
        const ManyOpenFiles open_files;
        const ExecutionOptions options{room_for_jobs(capacity, request, open_files.limit()),
                                       secrets,
                                       request.interrupts,
                                       run.number(),
                                       remote.get(),
                                       container_host,
                                       &sentences};
        interrupted =
            execute(plan, spec, snapshot, programs, *store,
                    runner_of(spec, programs, *store, open_files.before(), sentences), observer, options);
      }
      report.outcome = interrupted ? Outcome::interrupted : Outcome::succeeded;
      write_down_run(plan, beginning.outline, run.history(), run.number());
      run.git = git_revision(spec.project);
      if (!is_complete(plan) && !interrupted) {
        report.outcome = Outcome::failed;
      }
      if (!interrupted) {
        target =
            wanted_target(spec, plan, programs, report.store, hashes);  // of the images that are there now
        carry_out_effects(spec, plan, beginning.outline, run.git, *store, target.get(), request.interrupts,
                          observer, report);
      }
      if (remote && !interrupted) {
        push_what_is_missing(plan, *remote);
        remote->finish(request.interrupts);
      }
      run.outcome = report.outcome;
      run.release = report.release ? report.release->label() : "";
    }
    if (spec.model) {
      const Registry registry(*store);
      report.serving = registry.resolve(spec.model->name, alias_of(spec));
    }
    beginning.remember(*store, plan);
  }
  report.steps = plan.steps();
  report.left_out = plan.left_out();
  return report;
}

void move_by_hand(const Store& store, const Release& release, const std::string& alias,
                  const std::string& reason) {
  const FileLock lock = FileLock::wait(rollout_lock(store, alias));
  const StoreLock in_use = StoreLock::shared(store.directory());
  Registry registry(store);
  registry.require_files(release);
  const auto record = find_deployment(store, alias);
  if (record && record->model == release.model && record->phase != "stopped") {
    const std::unique_ptr<Target> target = existing_target(store, *record, Programs::beside_this_one());
    if (target->observe().running) {
      const auto current = registry.resolve(release.model, alias);
      RolloutOptions options;  // who moves it by hand has decided: all traffic goes there at once
      options.record = [&](const Rollout& rollout) {
        record_deployment(store, alias, release.model, record->target, release.version,
                          name_of(rollout.phase()));
      };
      const Rollout rollout = roll_out(
          *target, served(store, release),
          current && registry.has_files(*current) ? std::optional(served(store, *current)) : std::nullopt,
          options);
      if (rollout.phase() != Rollout::Phase::promoted) {
        throw Error("the rollout of " + release.label() + " failed: " + rollout.failure());
      }
    }
  }
  registry.move_alias(release.model, alias, release.version, reason);
}

}  // namespace mlpipe
