#include "pipeline/exec/executor.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "pipeline/base/error.hpp"
#include "pipeline/exec/collect.hpp"
#include "pipeline/exec/job_folder.hpp"
#include "pipeline/store/durations.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// One step that has been taken from the plan and has not ended.
struct Attempt {
  std::size_t number = 0;  // in this run: what a thread that waits for the job knows of it
  std::size_t index = 0;
  PreparedJob job;
  std::vector<std::string> gpus;  // that it was given
  bool ours = false;              // its agent was started by this process
  bool unwanted = false;          // it was asked to end
  std::int64_t newest = 0;        // the newest result of the key when the attempt began
  RunningStep running;
  std::jthread waiter;
};

using Clock = std::chrono::steady_clock;

// A step whose job failed, until it is tried again.
struct Waiting {
  std::size_t index = 0;
  Clock::time_point until;
};

// Attempts whose job has ended, with the lock that its end set free.
class Arrivals {
 public:
  void add(std::size_t attempt, FileLock lock) {
    {
      const std::lock_guard guard(mutex_);
      ended_.emplace_back(attempt, std::move(lock));
    }
    arrived_.notify_one();
  }

  std::optional<std::pair<std::size_t, FileLock>> take(std::chrono::milliseconds patience) {
    std::unique_lock guard(mutex_);
    arrived_.wait_for(guard, patience, [this] { return !ended_.empty(); });
    if (ended_.empty()) {
      return std::nullopt;
    }
    auto first = std::move(ended_.front());
    ended_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::list<std::pair<std::size_t, FileLock>> ended_;
};

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
        free_(options.capacity) {}

  bool run() {
    while (true) {
      if (interrupted() && !stopping_) {
        stop();
      }
      put_back_what_waited();
      start_what_fits();
      tell_of_passed_over();
      if (attempts_.empty() && waiting_.empty()) {
        return interrupted();
      }
      if (auto arrival = arrivals_->take(patience())) {
        take_up(arrival->first, std::move(arrival->second));
      }
      end_unwanted();
      show();
    }
  }

 private:
  bool interrupted() const { return options_.interrupts != nullptr && *options_.interrupts > 0; }

  void take_up(std::size_t number, FileLock lock) {
    const auto attempt = std::find_if(attempts_.begin(), attempts_.end(),
                                      [&](const Attempt& one) { return one.number == number; });
    if (attempt != attempts_.end()) {  // else this run does not wait for it any more
      attempt->waiter = {};
      settle(*attempt, std::move(lock));
    }
  }

  void start_what_fits() {
    while (attempts_.size() < options_.jobs) {
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
    plan_.stop();
    end_early([this](const Attempt& attempt) { return !is_finally(attempt); });
  }

  bool is_finally(const Attempt& attempt) const { return plan_.steps()[attempt.index].step->finally; }

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
      if (one.ours) {
        runner_->cancel(one.job);
      } else {
        one.waiter.detach();  // what the thread uses, it owns
        given_back.push_back(one.index);
        drop(one);
      }
    }
    for (const std::size_t index : given_back) {
      plan_.put_back(index);
    }
  }

  void end_unwanted() {
    const std::vector<std::size_t> unwanted = plan_.take_unwanted();
    if (!unwanted.empty()) {
      end_early([&](const Attempt& attempt) {
        return std::find(unwanted.begin(), unwanted.end(), attempt.index) != unwanted.end();
      });
    }
  }

  void tell_of_passed_over() {
    for (const std::size_t index : plan_.take_passed_over()) {
      observer_.step_passed_over(plan_.steps()[index]);
    }
  }

  std::chrono::milliseconds patience() const {
    auto longest = std::chrono::milliseconds(100ms);
    for (const Waiting& waiting : waiting_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(waiting.until - Clock::now());
      longest = std::clamp(left, std::chrono::milliseconds(0), longest);
    }
    return longest;
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

  void show() {
    std::vector<RunningStep> running;
    for (const Attempt& attempt : attempts_) {
      running.push_back(attempt.running);
    }
    observer_.tick(running);
  }

  void begin(std::size_t index) {
    const PlannedStep& planned = plan_.steps()[index];
    store_.add_realization(spec_.name, planned.step->name, planned.derivation, *planned.action,
                           planned.step->params);
    Attempt& attempt = attempts_.emplace_back();
    attempt.number = ++begun_;
    attempt.index = index;
    attempt.job = job_of(store_, planned.action_key);
    attempt.job.secrets = options_.secrets.variables_of(*planned.step);
    attempt.gpus = free_.take(planned.step->resources);
    attempt.running = {&planned, std::chrono::steady_clock::now(), attempt.job.directory, false, ""};
    for (const Result& result : store_.results(planned.action_key)) {
      attempt.newest = std::max(attempt.newest, result.id);
    }
    if (auto lock = FileLock::try_lock(attempt.job.lock)) {
      settle(attempt, std::move(*lock));
    } else {
      attempt.running.attached = true;
      for (const Attempt& other : attempts_) {
        if (&other != &attempt && plan_.steps()[other.index].action_key == planned.action_key) {
          attempt.running.equal_to = plan_.steps()[other.index].step->name;
        }
      }
      observer_.step_started(attempt.running);
      wait_for(attempt);
    }
  }

  void wait_for(Attempt& attempt) {
    attempt.waiter = std::jthread([arrivals = arrivals_, runner = runner_, job = attempt.job,
                                   number = attempt.number] { arrivals->add(number, runner->wait(job)); });
  }

  // The lock is ours, so nobody runs this key now: see what there is, and go on from there.
  void settle(Attempt& attempt, FileLock lock) {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    for (const Result& result : store_.results(planned.action_key)) {
      const bool is_new = result.id > attempt.newest;
      if (result.succeeded ? is_new || !planned.forced : is_new && attempt.running.attached) {
        end(attempt, result);  // another mlpipe was faster
        return;
      }
    }
    std::error_code error;
    const bool folder_is_there = std::filesystem::exists(attempt.job.directory, error);
    if (const auto ending = folder_is_there ? read_ending(attempt.job.directory) : std::nullopt) {
      Result result = collect_result(*planned.step, planned.action_key, attempt.job, *ending, spec_, store_);
      if (result.succeeded || attempt.ours || attempt.running.attached) {
        end(attempt, std::move(result));
        return;
      }
    } else if (attempt.ours) {
      Ending lost;
      lost.failure = "mlpipe-agent, which supervised it, was killed";
      lost.signal = SIGKILL;
      lost.started = lost.finished = std::chrono::system_clock::now();
      end(attempt, collect_result(*planned.step, planned.action_key, attempt.job, lost, spec_, store_));
      return;
    }
    if (attempt.unwanted || (stopping_ && !is_finally(attempt))) {
      const std::size_t index = attempt.index;
      drop(attempt);
      plan_.put_back(index);
      return;
    }
    start(attempt, std::move(lock));
  }

  void start(Attempt& attempt, FileLock lock) {
    const PlannedStep& planned = plan_.steps()[attempt.index];
    try {
      prepare_job(spec_, plan_, planned, snapshot_, programs_, store_, attempt.gpus);
      runner_->start(attempt.job, std::move(lock));
    } catch (const std::exception& error) {
      Ending failed;
      failed.failure = error.what();
      failed.started = failed.finished = std::chrono::system_clock::now();
      end(attempt, collect_result(*planned.step, planned.action_key, attempt.job, failed, spec_, store_));
      return;
    }
    attempt.ours = true;
    attempt.running.attached = false;
    observer_.step_started(attempt.running);
    wait_for(attempt);
  }

  void drop(Attempt& attempt) {
    free_.give_back(plan_.steps()[attempt.index].step->resources, attempt.gpus);
    attempts_.remove_if([&](const Attempt& one) { return &one == &attempt; });
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

  void end(Attempt& attempt, Result result) {
    const std::size_t index = attempt.index;
    const bool again = is_tried_again(attempt, result);
    drop(attempt);
    if (again) {
      plan_.hold(index);
      const PlannedStep& planned = plan_.steps()[index];
      const std::chrono::milliseconds wait = planned.step->retry.wait_before(planned.retries);
      waiting_.push_back({index, Clock::now() + wait});
      observer_.step_retrying(planned, result, wait);
      return;
    }
    const std::vector<std::size_t> cached = plan_.finish(index, std::move(result));
    observer_.step_finished(plan_.steps()[index]);
    for (const std::size_t other : cached) {
      const PlannedStep& step = plan_.steps()[other];
      store_.add_realization(spec_.name, step.step->name, step.derivation, *step.action, step.step->params);
      observer_.step_cached(step);
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
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  Capacity free_;
  std::list<Attempt> attempts_;
  std::size_t begun_ = 0;
  std::vector<Waiting> waiting_;
  bool ordered_ = false;
  bool stopping_ = false;
};

}  // namespace

bool execute(Plan& plan, const Spec& spec, const Snapshot& snapshot, const Programs& programs, Store& store,
             std::shared_ptr<Runner> runner, Observer& observer, const ExecutionOptions& options) {
  return Executor(plan, spec, snapshot, programs, store, std::move(runner), observer, options).run();
}

}  // namespace mlpipe
