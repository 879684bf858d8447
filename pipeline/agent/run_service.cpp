#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "pipeline/agent/run.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{100};  // before a program that ended is started again
constexpr milliseconds longest_pause{10'000};
constexpr milliseconds healthy_time{30'000};  // that long, and the next pause is the first one again
constexpr milliseconds look_interval{5};      // for a ready file
constexpr milliseconds kill_interval{20};
constexpr std::size_t most_answers = 16;  // kept for those who asked

class ServiceRun {
 public:
  ServiceRun(Agent& agent, const Job& job) : agent_(agent), job_(job), listeners_(job.listen, {}) {}

  Ending run() {
    write_listen(agent_.job_directory, listeners_.bound());
    ending_.started = std::chrono::system_clock::now();
    start();
    while (!kill_at_ || !agent_.family.is_empty()) {
      const Events::Happened happened = agent_.events.wait(next_deadline());
      for (const Ended& ended : agent_.family.reap()) {
        on_end(ended);
      }
      if (kill_at_) {
        kill_what_is_left();
      } else if (happened.end_requested) {
        ask_to_end();
      } else {
        keep_running(happened);
      }
    }
    ending_.finished = std::chrono::system_clock::now();
    return ending_;
  }

 private:
  // A new program that runs beside the old one until it is ready.
  struct Candidate {
    std::string request;
    Job job;
    Listeners listeners;
    pid_t program = 0;
    Clock::time_point ready_by;
  };
  // A program that was replaced and asked to end.
  struct Retired {
    pid_t program = 0;
    Clock::time_point kill_at;
  };

  void keep_running(const Events::Happened& happened) {
    const Clock::time_point now = Clock::now();
    if (happened.replace_request) {
      begin_replacement(*happened.replace_request);
    }
    if (candidate_) {
      if (fs::exists(candidate_->job.ready_file)) {
        finish_replacement();
      } else if (now >= candidate_->ready_by) {
        agent_.family.signal_tree(candidate_->program, SIGKILL);
        give_up_replacement(fmt::format("the new program was not ready after {}",
                                        format_duration(candidate_->job.ready_timeout)));
      }
    } else if (start_at_ && now >= *start_at_) {
      start_again();
    }
    for (Retired& retired : retired_) {
      if (now >= retired.kill_at) {
        agent_.family.signal_tree(retired.program, SIGKILL);
        retired.kill_at = now + kill_interval;
      }
    }
  }

  std::optional<Clock::time_point> next_deadline() const {
    if (kill_at_) {
      return kill_at_;
    }
    std::optional<Clock::time_point> next = candidate_ ? Clock::now() + look_interval : start_at_;
    for (const Retired& retired : retired_) {
      next = std::min(next.value_or(retired.kill_at), retired.kill_at);
    }
    return next;
  }

  void on_end(const Ended& ended) {
    ending_.peak_memory_bytes = std::max(ending_.peak_memory_bytes, ended.ending.peak_memory_bytes);
    if (ended.pid == program_) {
      program_ = 0;
      ending_.exit_code = ended.ending.exit_code;
      ending_.signal = ended.ending.signal;
      if (!kill_at_) {
        agent_.family.kill_rest_of_group(ended.pid);
        notice_ready();
        if (job_.must_get_ready && !was_ready_ && !candidate_) {
          agent_.note(fmt::format("the service ended before it was ready ({})", describe(ended.ending)));
          kill_at_ = Clock::now();
        } else {
          plan_start(describe(ended.ending));
        }
      }
    } else if (candidate_ && ended.pid == candidate_->program) {
      agent_.family.kill_rest_of_group(ended.pid);
      give_up_replacement(
          fmt::format("the new program ended before it was ready: {}", describe(ended.ending)));
    } else if (std::erase_if(retired_, [&](const Retired& one) { return one.program == ended.pid; }) > 0) {
      agent_.family.kill_rest_of_group(ended.pid);
    }
  }

  void notice_ready() { was_ready_ = was_ready_ || fs::exists(job_.ready_file); }

  void start() {
    program_ = agent_.start_program(job_, listeners_);
    running_since_ = Clock::now();
  }

  void start_again() {
    start_at_.reset();
    try {
      Job job = read_job(agent_.job_directory);
      listeners_ = Listeners(job.listen, listeners_);
      job_ = std::move(job);
      write_listen(agent_.job_directory, listeners_.bound());
      start();
    } catch (const std::exception& error) {
      plan_start(error.what());
    }
  }

  void plan_start(std::string_view reason) {
    const Clock::time_point now = Clock::now();
    if (now - running_since_ >= healthy_time) {
      pause_ = first_pause;
    }
    running_since_ = now;
    agent_.note(
        fmt::format("the service ended ({}); starting it again in {}", reason, format_duration(pause_)));
    start_at_ = now + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
  }

  void begin_replacement(const std::string& request) {
    notice_ready();  // the new program's start removes the file
    if (candidate_) {
      agent_.family.signal_tree(candidate_->program, SIGKILL);
      answers_.push_back({candidate_->request, {false, "another replacement was asked for"}});
      candidate_.reset();
    }
    Candidate candidate;
    candidate.request = request;
    try {
      candidate.job = read_job(agent_.job_directory);
      if (candidate.job.ready_file.empty()) {
        throw Error("the new program names no ready_file");
      }
      candidate.listeners = Listeners(candidate.job.listen, listeners_);
      candidate.program = agent_.start_program(candidate.job, candidate.listeners);
      candidate.ready_by = Clock::now() + candidate.job.ready_timeout;
      candidate_ = std::move(candidate);
    } catch (const std::exception& error) {
      answer(request, error.what());
    }
  }

  void give_up_replacement(const std::string& reason) {
    const std::string request = candidate_->request;
    candidate_.reset();
    answer(request, reason);
  }

  void finish_replacement() {
    if (program_ != 0) {
      agent_.family.signal_tree(program_, SIGTERM);
      retired_.push_back({program_, Clock::now() + job_.grace});
    }
    program_ = candidate_->program;
    job_ = candidate_->job;
    listeners_ = candidate_->listeners;
    const std::string request = candidate_->request;
    candidate_.reset();
    running_since_ = Clock::now();
    was_ready_ = true;
    start_at_.reset();
    pause_ = first_pause;
    write_listen(agent_.job_directory, listeners_.bound());
    answer(request, "");
  }

  // What came of a replacement; `failure` is empty when it went well.
  void answer(const std::string& request, const std::string& failure) {
    if (!failure.empty()) {
      write_job(agent_.job_directory, job_);
      agent_.note(fmt::format("the program was not replaced: {}", failure));
    }
    answers_.push_back({request, {failure.empty(), failure}});
    if (answers_.size() > most_answers) {
      answers_.erase(answers_.begin());
    }
    write_replacements(agent_.job_directory, answers_);
  }

  void ask_to_end() {
    ending_.cancelled = true;
    if (candidate_) {
      give_up_replacement("the service was asked to end");
    }
    agent_.family.signal_all({&program_, 1}, SIGTERM);
    kill_at_ = Clock::now() + job_.grace;
  }

  void kill_what_is_left() {
    if (Clock::now() >= *kill_at_) {
      agent_.family.kill_children();
      kill_at_ = Clock::now() + kill_interval;
    }
  }

  Agent& agent_;
  Job job_;
  Listeners listeners_;
  Ending ending_;
  pid_t program_ = 0;  // 0: it has ended, and start_at_ says when it is started again
  Clock::time_point running_since_;
  bool was_ready_ = false;  // a program of the service has been
  std::optional<Clock::time_point> start_at_;
  milliseconds pause_ = first_pause;
  std::optional<Candidate> candidate_;
  std::vector<Retired> retired_;
  std::vector<ReplacementAnswer> answers_;
  std::optional<Clock::time_point> kill_at_;  // set once the service was asked to end
};

}  // namespace

Ending run_service(Agent& agent, const Job& job) {
  return ServiceRun(agent, job).run();
}

}  // namespace mlpipe
