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
      const Events::Happened happened = agent_.events.wait(next_deadline(), others());
      log_.forward();
      if (agent_.progress) {
        agent_.progress->forward();
      }
      reap();
      if (!agent_.family.is_empty()) {
        proceed(happened.end_requested);
      }
    }
    log_.finish();
    if (agent_.progress) {
      agent_.progress->finish();
    }
    ending_.finished = std::chrono::system_clock::now();
    return ending_;
  }

 private:
  // Of all processes, and of those that are run here.
  int world() const { return (agent_.node ? agent_.node->nodes : job_.nodes) * job_.processes; }
  int count() const { return agent_.node ? job_.processes : world(); }
  int first_rank() const { return agent_.node ? agent_.node->index * job_.processes : 0; }

  std::optional<Clock::time_point> next_deadline() const {
    const auto own = kill_at_ ? kill_at_ : time_out_at_;
    const auto telling = agent_.progress ? agent_.progress->deadline() : std::nullopt;
    return own && telling ? std::min(own, telling) : (own ? own : telling);
  }
  std::vector<int> others() const {
    std::vector<int> descriptors = log_.descriptors();
    if (agent_.progress) {
      descriptors.push_back(agent_.progress->descriptor());
    }
    return descriptors;
  }

  void start_programs() {
    if (world() == 1) {
      const FileDescriptor output = agent_.lines.echoes() ? log_.add("") : FileDescriptor();
      programs_[agent_.start_program(job_, listeners_, {{}, output.get(), true})] = 0;
      return;
    }
    const std::string address = agent_.node ? agent_.node->master_address : "127.0.0.1";
    // Let go of again: the program is to listen there.
    const std::uint16_t port =
        agent_.node ? agent_.node->master_port : Listeners({{"", address, 0}}, {}).bound().front().port;
    for (int rank = first_rank(); rank < first_rank() + count(); ++rank) {
      const FileDescriptor output = log_.add(fmt::format("[{}] ", rank));
      programs_[agent_.start_program(job_, listeners_,
                                     {place_of(rank, address, port), output.get(), rank == 0})] = rank;
    }
  }

  std::map<std::string, std::string> place_of(int rank, const std::string& address,
                                              std::uint16_t port) const {
    return {{"RANK", std::to_string(rank)},
            {"LOCAL_RANK", std::to_string(rank % job_.processes)},
            {"NODE_RANK", std::to_string(rank / job_.processes)},
            {"WORLD_SIZE", std::to_string(world())},
            {"LOCAL_WORLD_SIZE", std::to_string(job_.processes)},
            {"MASTER_ADDR", address},
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
  PrefixedLog log_{agent_.lines};
  std::optional<Clock::time_point> time_out_at_;
  std::optional<Clock::time_point> kill_at_;  // set once the job was asked to end
};

}  // namespace

Ending run_job(Agent& agent, const Job& job) {
  return JobRun(agent, job).run();
}

}  // namespace mlpipe
