#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <vector>

#include "pipeline/agent/prefixed_log.hpp"
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
    start_programs();
    if (job_.timeout) {
      time_out_at_ = Clock::now() + *job_.timeout;
    }
    while (!agent_.family.is_empty()) {
      const Events::Happened happened =
          agent_.events.wait(kill_at_ ? kill_at_ : time_out_at_, log_.descriptors());
      log_.forward();
      reap();
      if (!agent_.family.is_empty()) {
        proceed(happened.end_requested);
      }
    }
    log_.finish();
    ending_.finished = std::chrono::system_clock::now();
    return ending_;
  }

 private:
  int count() const { return job_.nodes * job_.processes; }

  void start_programs() {
    if (count() == 1) {
      programs_[agent_.start_program(job_, listeners_)] = 0;
      return;
    }
    // Let go of again: the program is to listen there.
    const std::uint16_t port = Listeners({{"", "127.0.0.1", 0}}, {}).bound().front().port;
    for (int rank = 0; rank < count(); ++rank) {
      const FileDescriptor output = log_.add(fmt::format("[{}] ", rank));
      programs_[agent_.start_program(job_, listeners_, {place_of(rank, port), output.get(), rank == 0})] =
          rank;
    }
  }

  std::map<std::string, std::string> place_of(int rank, std::uint16_t port) const {
    return {{"RANK", std::to_string(rank)},
            {"LOCAL_RANK", std::to_string(rank % job_.processes)},
            {"NODE_RANK", std::to_string(rank / job_.processes)},
            {"WORLD_SIZE", std::to_string(count())},
            {"LOCAL_WORLD_SIZE", std::to_string(job_.processes)},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", std::to_string(port)}};
  }

  void reap() {
    for (const Ended& ended : agent_.family.reap()) {
      ending_.peak_memory_bytes = std::max(ending_.peak_memory_bytes, ended.ending.peak_memory_bytes);
      const auto program = programs_.find(ended.pid);
      if (program == programs_.end()) {
        continue;
      }
      if (!failed_) {
        ending_.exit_code = ended.ending.exit_code;
        ending_.signal = ended.ending.signal;
        failed_ = !ended.ending.succeeded();
        if (failed_ && programs_.size() > 1 && !kill_at_) {
          log_.forward();  // first what it said itself
          agent_.note(
              fmt::format("process {}: {}; the others are ended", program->second, describe(ended.ending)));
        }
      }
      programs_.erase(program);
    }
  }

  void proceed(bool end_requested) {
    const Clock::time_point now = Clock::now();
    if (kill_at_) {
      if (now >= *kill_at_) {
        agent_.family.kill_children();
        kill_at_ = now + kill_interval;
      }
    } else if (programs_.empty() || failed_) {
      ask_to_end();  // what is left
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
    std::vector<pid_t> leaders;
    for (const auto& [pid, rank] : programs_) {
      leaders.push_back(pid);
    }
    agent_.family.signal_all(leaders, SIGTERM);
    kill_at_ = Clock::now() + job_.grace;
  }

  Agent& agent_;
  const Job& job_;
  Listeners listeners_;
  Ending ending_;
  std::map<pid_t, int> programs_;  // those that run, and their ranks
  bool failed_ = false;            // one of them has; `ending_` says how
  PrefixedLog log_{agent_.log.get()};
  std::optional<Clock::time_point> time_out_at_;
  std::optional<Clock::time_point> kill_at_;  // set once the job was asked to end
};

}  // namespace

Ending run_job(Agent& agent, const Job& job) {
  return JobRun(agent, job).run();
}

}  // namespace mlpipe
