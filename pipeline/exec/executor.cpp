#include "pipeline/exec/executor.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <list>
#include <memory>
#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/exec/collect.hpp"
#include "pipeline/exec/committer.hpp"
#include "pipeline/exec/image_job.hpp"
#include "pipeline/exec/job_folder.hpp"
#include "pipeline/store/durations.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto tick_interval = 100ms;
constexpr auto foreign_interval =
    10ms;  // between looks at jobs of others: the kernel does not tell of a lock

// One step that has been taken from the plan and has not ended.
struct Attempt {
  std::size_t index = 0;
  PreparedJob job;
  // Of a job that was started here: the key's lock, and what comes to its end with the job.
  std::optional<FileLock> lock;
  FileDescriptor ended;
  std::vector<std::string> gpus;  // that it was given
  bool unwanted = false;          // it was asked to end
  bool pulling = false;           // no job runs: its result is being brought from the remote
  bool asked_remote = false;      // that has ended
  std::int64_t newest = 0;        // the newest result of the key when the wait for another's job began
  RunningStep running;

  bool ours() const { return static_cast<bool>(ended); }
};

// A step whose job failed, until it is tried again.
struct Waiting {
  std::size_t index = 0;
  Clock::time_point until;
};

Ending failed_now(std::string failure) {
  Ending ending;
  ending.failure = std::move(failure);
  ending.started = ending.finished = std::chrono::system_clock::now();
  return ending;
}

class Executor {
 public:
  Executor(Plan& plan, const Spec& spec, const Snapshot& snapshot, const Programs& programs, Store& store,
           std::shared_ptr<Runner> runner, Observer& observer, const ExecutionOptions& options)
      : plan_(plan),
        spec_(spec),
        snapshot_(snapshot),
        programs_(programs),
        store_(store),
        runner_(std::move(runner)),
        observer_(observer),
        options_(options),
        committer_(store, spec.name, options.run, programs.agent),
        free_(options.capacity) {}

  bool run() {
    while (true) {
      if (interrupted() && !stopping_) {
        stop();
      }
      put_back_what_waited();
      start_what_fits();
      end_unwanted();
      tell_of_passed_over();
      if (attempts_.empty() && waiting_.empty()) {
        commit();
        return interrupted();
      }
      for (Attempt* attempt : wait()) {
        look_at(*attempt);
      }
      write_down_what_is_due();
      if (Clock::now() >= next_tick_) {
        tick();
      }
      pass_on_sentences();
    }
  }

 private:
  bool interrupted() const { return options_.interrupts != nullptr && *options_.interrupts > 0; }

  void start_what_fits() {
    while (true) {
      if (plan_.ready() > 1 && !ordered_) {  // only now does the order matter
        plan_.set_durations(past_durations(store_.database(), spec_.name));
        ordered_ = true;
      }
      const auto index = plan_.take_ready(free_);
      if (!index) {
        return;
      }
      begin(*index);
    }
  }

  // Ends what runs and starts nothing more, but for finally steps.
  void stop() {
    stopping_ = true;
    waiting_.clear();
    if (options_.remote != nullptr) {
      options_.remote->abandon();
    }
    plan_.stop();
    end_early([this](const Attempt& attempt) { return !is_finally(attempt); });
  }

  bool is_finally(const Attempt& attempt) const { return plan_.steps()[attempt.index].step->finally; }

  void end_unwanted() {
    const std::vector<std::size_t> unwanted = plan_.take_unwanted();
    if (!unwanted.empty()) {
      end_early([&](const Attempt& attempt) {
        return std::find(unwanted.begin(), unwanted.end(), attempt.index) != unwanted.end();
      });
    }
  }

  // Ends the jobs of these attempts. Jobs of other runs go on: this one only stops waiting for them.
  template <typename Which>
  void end_early(Which which) {
    std::vector<std::size_t> given_back;
    for (auto attempt = attempts_.begin(); attempt != attempts_.end();) {
      Attempt& one = *attempt++;
      if (!which(one)) {
        continue;
      }
      one.unwanted = true;
      if (one.pulling) {
        continue;  // that ends soon
      }
      if (one.ours()) {
        runner_->cancel(one.job);
      } else {
        given_back.push_back(one.index);
        drop(one);
      }
    }
    for (const std::size_t index : given_back) {
      plan_.put_back(index);
    }
  }

  void put_back_what_waited() {
    const auto now = Clock::now();
    std::erase_if(waiting_, [&](const Waiting& waiting) {
      if (plan_.steps()[waiting.index].state != PlannedStep::State::run) {
        return true;  // it was blocked meanwhile, with its matrix
      }
      if (waiting.until <= now) {
        plan_.put_back(waiting.index);
      }
      return waiting.until <= now;
    });
  }

  void tell_of_passed_over() {
    for (const std::size_t index : plan_.take_passed_over()) {
      observer_.step_passed_over(plan_.steps()[index]);
    }
  }

  // Waits until something may have happened; returns the attempts to look at.
  std::vector<Attempt*> wait() {
    Clock::time_point until = std::min(next_tick_, committer_.due().value_or(next_tick_));
    for (const Waiting& waiting : waiting_) {
      until = std::min(until, waiting.until);
    }
    std::vector<pollfd> descriptors;
    std::vector<Attempt*> running;
    std::vector<Attempt*> to_look_at;
    for (Attempt& attempt : attempts_) {
      if (attempt.ours()) {
        descriptors.push_back({attempt.ended.get(), POLLIN, 0});
        running.push_back(&attempt);
      } else {
        to_look_at.push_back(&attempt);
        until = std::min(until, Clock::now() + foreign_interval);
      }
    }
    if (committer_.syncing()) {
      descriptors.push_back({committer_.sync_ended(), POLLIN, 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (::poll(descriptors.data(), descriptors.size(), static_cast<int>(std::max<std::int64_t>(left, 0))) <
            0 &&
        errno != EINTR) {
      throw_errno("waiting for jobs");
    }
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (descriptors[i].revents != 0) {
        to_look_at.push_back(running[i]);
      }
    }
    synced_ = committer_.syncing() && descriptors.back().revents != 0;
    return to_look_at;
  }

  void look_at(Attempt& attempt) {
    if (attempt.pulling) {
      settle_pulled(attempt);
    } else if (attempt.ours()) {
      settle_own(attempt);
    } else if (auto lock = FileLock::try_lock(attempt.job.lock)) {
      settle(attempt, std::move(*lock));
    }
  }

  void tick() {
    next_tick_ = Clock::now() + tick_interval;
    // Again with every tick: an agent that was just starting may have missed it.
    for (const Attempt& attempt : attempts_) {
      if (attempt.unwanted && attempt.ours() && !attempt.pulling) {
        runner_->cancel(attempt.job);
      }
    }
    std::vector<RunningStep> running;
    for (const Attempt& attempt : attempts_) {
      running.push_back(attempt.running);
    }
    observer_.tick(running);
  }

  void pass_on_sentences() {
    if (options_.sentences != nullptr) {
      for (const std::string& sentence : options_.sentences->take()) {
        observer_.warned(sentence);
      }
    }
  }

  void begin(std::size_t index) {
    const PlannedStep& planned = plan_.steps()[index];
    committer_.add_realization(planned);
    Attempt& attempt = attempts_.emplace_back();
    attempt.index = index;
    attempt.job = job_of(store_, planned.action_key);
    attempt.job.secrets = options_.secrets.variables_of(*planned.step);
    if (std::holds_alternative<ImageAction>(planned.step->action)) {
      attempt.job.secrets.merge(engine_credentials());
    }
    attempt.job.place = planned.step->runs_on;
    attempt.gpus = free_.take(planned.step->resources, planned.step->runs_on);
    attempt.running = {&planned, Clock::now(), attempt.job.directory, false, ""};
    if (auto lock = FileLock::try_lock(attempt.job.lock)) {
      settle(attempt, std::move(*lock));
      return;
    }
    for (const Result& result : store_.results(planned.action_key)) {
      attempt.newest = std::max(attempt.newest, result.id);
    }
    attempt.running.attached = true;
    for (const Attempt& other : attempts_) {
      if (&other != &attempt && plan_.steps()[other.index].action_key == planned.action_key) {
        attempt.running.equal_to = plan_.steps()[other.index].step->name;
      }
    }
    observer_.step_started(attempt.running);
  }

  // The lock is ours, so nobody runs this key now: see what there is, and go on from there.
  void settle(Attempt& attempt, FileLock lock) {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    const bool attached = attempt.running.attached;
    const std::vector<Result> results = store_.results(planned.action_key);
    std::optional<Ending> ending = read_ending(attempt.job.directory);
    if (ending && (ending->cancelled || is_recorded(results, *ending))) {
      remove_tree(attempt.job.directory);  // whoever recorded it was killed before it could do this
      ending.reset();
    }
    for (const Result& result : results) {
      const bool is_new = attached && result.id > attempt.newest;
      if (is_new || (result.succeeded && !planned.forced)) {
        end(attempt, result, std::move(lock));  // another mlpipe was faster
        return;
      }
    }
    if (ending) {
      Result result = collect(attempt, *ending);
      if (result.succeeded || attached) {
        end(attempt, std::move(result), std::move(lock));
        return;
      }
      store_.add_result(result);  // of an earlier run; this one tries again
    }
    if (attempt.unwanted || (stopping_ && !is_finally(attempt))) {
      give_back(attempt, std::move(lock));
    } else if (may_pull(attempt)) {
      attempt.ended = options_.remote->pull(planned.action_key);
      attempt.lock = std::move(lock);
      attempt.pulling = true;
    } else {
      start(attempt, std::move(lock));
    }
  }

  bool may_pull(const Attempt& attempt) const {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    return options_.remote != nullptr && !attempt.asked_remote && !planned.forced && travels(*planned.step) &&
           options_.remote->may_have(planned.action_key);
  }

  // What the remote has of the key is in the store now, if anything; else the job starts.
  void settle_pulled(Attempt& attempt) {
    attempt.pulling = false;
    attempt.asked_remote = true;
    attempt.ended.close();
    FileLock lock = *std::move(attempt.lock);
    attempt.lock.reset();
    options_.remote->finish_pull(plan_.steps()[attempt.index].action_key);
    settle(attempt, std::move(lock));
  }

  // A job that was started here has ended.
  void settle_own(Attempt& attempt) {
    const std::optional<Ending> ending = read_ending(attempt.job.directory);
    if (ending && ending->cancelled && stopping_) {
      remove_tree(attempt.job.directory);
      give_back(attempt, *std::move(attempt.lock));
      return;
    }
    Ending lost = failed_now(why_lost(attempt.job));
    lost.signal = SIGKILL;
    Result result = collect(attempt, ending ? *ending : lost);
    end(attempt, std::move(result), *std::move(attempt.lock));
  }

  // The agent has left no exit.json.
  static std::string why_lost(const PreparedJob& job) {
    const std::string last = last_lines(read_file_if_exists(job.directory / "log").value_or(""), 1);
    return last.starts_with("mlpipe-agent: ") ? last : "mlpipe-agent, which supervised it, was killed";
  }

  Result collect(const Attempt& attempt, const Ending& ending) const {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    return collect_result(*planned.step, planned.action_key, attempt.job, ending, spec_, store_);
  }

  void start(Attempt& attempt, FileLock lock) {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    try {
      prepare_job(spec_, plan_, planned, snapshot_, programs_, store_, attempt.gpus, options_.container_host);
      attempt.ended = runner_->start(attempt.job, lock);
    } catch (const std::exception& error) {
      end(attempt, collect(attempt, failed_now(error.what())), std::move(lock));
      return;
    }
    attempt.lock = std::move(lock);
    attempt.running.attached = false;
    observer_.step_started(attempt.running);
  }

  void drop(Attempt& attempt) {
    const Step& step = *plan_.steps()[attempt.index].step;
    free_.give_back(step.resources, attempt.gpus, step.runs_on);
    attempts_.remove_if([&](const Attempt& one) { return &one == &attempt; });
  }

  // The step has not ended: a later run takes it up.
  void give_back(Attempt& attempt, FileLock lock) {
    const std::size_t index = attempt.index;
    lock.remove();
    drop(attempt);
    plan_.put_back(index);
  }

  bool is_tried_again(const Attempt& attempt, const Result& result) const {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    const Retry& retry = planned.step->retry;
    if (result.succeeded || stopping_ || attempt.unwanted || planned.retries >= retry.limit) {
      return false;
    }
    switch (result.failure_kind) {
      case FailureKind::failed:
        return retry.after_failure;
      case FailureKind::killed:
        return retry.after_kill;
      case FailureKind::timed_out:
        return retry.after_timeout;
      case FailureKind::cancelled:
        return false;
    }
    return false;
  }

  // Writes the failed attempt down, and waits before the next.
  void hold(Attempt& attempt, const Result& failed) {
    const std::size_t index = attempt.index;
    if (failed.id == 0) {  // else another mlpipe has done it
      store_.add_result(failed);
      remove_tree(attempt.job.directory);
    }
    drop(attempt);
    plan_.hold(index);
    const PlannedStep& planned = plan_.steps()[index];
    const std::chrono::milliseconds wait = planned.step->retry.wait_before(planned.retries);
    waiting_.push_back({index, Clock::now() + wait});
    observer_.step_retrying(planned, failed, wait);
  }

  // The step has its result; what follows it may start. It is reported once it is written down.
  void end(Attempt& attempt, Result result, FileLock lock) {
    if (is_tried_again(attempt, result)) {
      hold(attempt, result);
      lock.remove();
      return;
    }
    const std::size_t index = attempt.index;
    const bool brought = attempt.asked_remote && !attempt.ours() && result.id != 0;
    PreparedJob job = std::move(attempt.job);
    drop(attempt);
    const std::vector<std::size_t> cached =
        brought ? plan_.finish_brought(index, std::move(result)) : plan_.finish(index, std::move(result));
    committer_.add({index, &plan_.steps()[index], std::move(job), std::move(lock)});
    for (const std::size_t other : cached) {
      committer_.add_realization(plan_.steps()[other]);
      committer_.add({other, &plan_.steps()[other], {}, std::nullopt});
    }
    if (plan_.steps()[index].state == PlannedStep::State::run) {
      commit();  // its selector wants more, and the next attempt needs the key's lock
    }
  }

  void write_down_what_is_due() {
    if (synced_) {
      finish_sync();
    }
    if (committer_.due() && Clock::now() >= *committer_.due()) {
      committer_.start_sync();
    }
  }

  // Everything, now.
  void commit() {
    if (committer_.syncing()) {
      finish_sync();
    }
    if (committer_.due()) {
      committer_.start_sync();
      finish_sync();
    }
  }

  void finish_sync() {
    synced_ = false;
    for (const Committer::Committed& committed : committer_.finish_sync()) {
      if (committed.result != 0) {
        plan_.record(committed.index, committed.result);
      }
      const PlannedStep& planned = plan_.steps()[committed.index];
      if (options_.remote != nullptr && planned.state == PlannedStep::State::succeeded &&
          travels(*planned.step)) {
        options_.remote->push(planned.action_key);
      }
      if (planned.state == PlannedStep::State::cached) {
        observer_.step_cached(planned);
      } else {
        observer_.step_finished(planned);
      }
    }
  }

  Plan& plan_;
  const Spec& spec_;
  const Snapshot& snapshot_;
  const Programs& programs_;
  Store& store_;
  std::shared_ptr<Runner> runner_;
  Observer& observer_;
  const ExecutionOptions& options_;
  Committer committer_;
  Capacity free_;
  std::list<Attempt> attempts_;
  std::vector<Waiting> waiting_;
  bool ordered_ = false;
  bool stopping_ = false;
  bool synced_ = false;  // the sync under way has ended
  Clock::time_point next_tick_;
};

}  // namespace

bool execute(Plan& plan, const Spec& spec, const Snapshot& snapshot, const Programs& programs, Store& store,
             std::shared_ptr<Runner> runner, Observer& observer, const ExecutionOptions& options) {
  return Executor(plan, spec, snapshot, programs, store, std::move(runner), observer, options).run();
}

}  // namespace mlpipe
