#include "pipeline/exec/executor.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <memory>
#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/exec/collect.hpp"
#include "pipeline/exec/committer.hpp"
#include "pipeline/exec/job_folder.hpp"

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
  std::int64_t newest = 0;  // the newest result of the key when the wait for another's job began
  RunningStep running;

  bool ours() const { return static_cast<bool>(ended); }
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
        committer_(store, spec.name, options.run) {}

  bool run() {
    while (true) {
      while (!interrupted() && attempts_.size() < options_.jobs) {
        const auto index = plan_.take_ready();
        if (!index) {
          break;
        }
        begin(*index);
      }
      if (attempts_.empty()) {
        commit();
        return interrupted();
      }
      for (Attempt* attempt : wait()) {
        look_at(*attempt);
      }
      if (committer_.due() && Clock::now() >= *committer_.due()) {
        commit();
      }
      if (Clock::now() >= next_tick_) {
        tick();
      }
    }
  }

 private:
  bool interrupted() const { return options_.interrupts != nullptr && *options_.interrupts > 0; }

  // Waits until something may have happened; returns the attempts to look at.
  std::vector<Attempt*> wait() {
    Clock::time_point until = std::min(next_tick_, committer_.due().value_or(next_tick_));
    std::vector<pollfd> descriptors;
    std::vector<Attempt*> waiting;
    std::vector<Attempt*> to_look_at;
    for (Attempt& attempt : attempts_) {
      if (attempt.ours()) {
        descriptors.push_back({attempt.ended.get(), POLLIN, 0});
        waiting.push_back(&attempt);
      } else {
        to_look_at.push_back(&attempt);
        until = std::min(until, Clock::now() + foreign_interval);
      }
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (::poll(descriptors.data(), descriptors.size(), static_cast<int>(std::max<std::int64_t>(left, 0))) <
            0 &&
        errno != EINTR) {
      throw_errno("waiting for jobs");
    }
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
      if (descriptors[i].revents != 0) {
        to_look_at.push_back(waiting[i]);
      }
    }
    return to_look_at;
  }

  void look_at(Attempt& attempt) {
    if (attempt.ours()) {
      settle_own(attempt);
    } else if (auto lock = FileLock::try_lock(attempt.job.lock)) {
      settle(attempt, std::move(*lock));
    }
  }

  void tick() {
    next_tick_ = Clock::now() + tick_interval;
    if (interrupted()) {
      cancel_all();
    }
    std::vector<RunningStep> running;
    for (const Attempt& attempt : attempts_) {
      running.push_back(attempt.running);
    }
    observer_.tick(running);
  }

  // Again with every tick: an agent that was just starting may have missed it.
  void cancel_all() {
    for (const Attempt& attempt : attempts_) {
      if (attempt.ours()) {
        runner_->cancel(attempt.job);
      }
    }
    // Jobs of other runs go on: this one only stops waiting for them.
    attempts_.remove_if([](const Attempt& attempt) { return !attempt.ours(); });
  }

  void begin(std::size_t index) {
    const PlannedStep& planned = plan_.steps()[index];
    committer_.add_realization(planned);
    Attempt& attempt = attempts_.emplace_back();
    attempt.index = index;
    attempt.job = job_of(store_, planned.action_key);
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
    if (interrupted()) {
      give_back(attempt, std::move(lock));
    } else {
      start(attempt, std::move(lock));
    }
  }

  // A job that was started here has ended.
  void settle_own(Attempt& attempt) {
    const std::optional<Ending> ending = read_ending(attempt.job.directory);
    if (ending && ending->cancelled && interrupted()) {
      remove_tree(attempt.job.directory);
      give_back(attempt, *std::move(attempt.lock));
      return;
    }
    Result result = collect(attempt, ending ? *ending : failed_now(why_lost(attempt.job)));
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
      prepare_job(spec_, plan_, planned, snapshot_, programs_, store_);
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
    attempts_.remove_if([&](const Attempt& one) { return &one == &attempt; });
  }

  // The step has not ended: a later run takes it up.
  void give_back(Attempt& attempt, FileLock lock) {
    lock.remove();
    plan_.put_back(attempt.index);
    drop(attempt);
  }

  // The step has its result; what follows it may start. It is reported once it is written down.
  void end(Attempt& attempt, Result result, FileLock lock) {
    const std::size_t index = attempt.index;
    PreparedJob job = std::move(attempt.job);
    drop(attempt);
    const std::vector<std::size_t> cached = plan_.finish(index, std::move(result));
    committer_.add({index, &plan_.steps()[index], std::move(job), std::move(lock)});
    for (const std::size_t other : cached) {
      committer_.add_realization(plan_.steps()[other]);
      committer_.add({other, &plan_.steps()[other], {}, std::nullopt});
    }
    if (plan_.steps()[index].state == PlannedStep::State::run) {
      commit();  // its selector wants more, and the next attempt needs the key's lock
    }
  }

  void commit() {
    for (const Committer::Committed& committed : committer_.commit()) {
      if (committed.result != 0) {
        plan_.record(committed.index, committed.result);
      }
      const PlannedStep& planned = plan_.steps()[committed.index];
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
  std::list<Attempt> attempts_;
  Clock::time_point next_tick_;
};

}  // namespace

bool execute(Plan& plan, const Spec& spec, const Snapshot& snapshot, const Programs& programs, Store& store,
             std::shared_ptr<Runner> runner, Observer& observer, const ExecutionOptions& options) {
  return Executor(plan, spec, snapshot, programs, store, std::move(runner), observer, options).run();
}

}  // namespace mlpipe
