#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "pipeline/agent/run.hpp"

namespace mlpipe {
namespace {

constexpr std::chrono::milliseconds kill_interval{20};  // between looks for what is still there to be killed

class JobRun {
 public:
  JobRun(Agent& agent, const Job& job) : agent_(agent), job_(job), listeners_(job.listen, {}) {}

  Ending run() {
    if (!job_.listen.empty()) {
      write_listen(agent_.job_directory, listeners_.bound());
    }
    ending_.started = std::chrono::system_clock::now();
    program_ = agent_.start_program(job_, listeners_);
    if (job_.timeout) {
      time_out_at_ = Clock::now() + *job_.timeout;
    }
    while (!agent_.family.is_empty()) {
      const Events::Happened happened = agent_.events.wait(kill_at_ ? kill_at_ : time_out_at_);
      reap();
      if (!agent_.family.is_empty()) {
        proceed(happened.end_requested);
      }
    }
    ending_.finished = std::chrono::system_clock::now();
    return ending_;
  }

 private:
  void reap() {
    for (const Ended& ended : agent_.family.reap()) {
      ending_.peak_memory_bytes = std::max(ending_.peak_memory_bytes, ended.ending.peak_memory_bytes);
      if (ended.pid == program_) {
        ending_.exit_code = ended.ending.exit_code;
        ending_.signal = ended.ending.signal;
        program_ = 0;
      }
    }
  }

  void proceed(bool end_requested) {
    const Clock::time_point now = Clock::now();
    if (kill_at_) {
      if (now >= *kill_at_) {
        agent_.family.kill_children();
        kill_at_ = now + kill_interval;
      }
    } else if (program_ == 0) {
      ask_to_end();  // what it left behind
    } else if (end_requested) {
      ending_.cancelled = true;
      ask_to_end();
    } else if (time_out_at_ && now >= *time_out_at_) {
      ending_.timed_out = true;
      ending_.timeout = *job_.timeout;
      ask_to_end();
    }
  }

  void ask_to_end() {
    agent_.family.signal_all(program_, SIGTERM);
    kill_at_ = Clock::now() + job_.grace;
  }

  Agent& agent_;
  const Job& job_;
  Listeners listeners_;
  Ending ending_;
  pid_t program_ = 0;  // 0: it has ended
  std::optional<Clock::time_point> time_out_at_;
  std::optional<Clock::time_point> kill_at_;  // set once the job was asked to end
};

}  // namespace

Ending run_job(Agent& agent, const Job& job) {
  return JobRun(agent, job).run();
}

}  // namespace mlpipe
