#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

#include "pipeline/agent/run.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* agent_in_container = "/mlpipe-agent";
constexpr milliseconds start_time{120'000};  // that an engine has to start a container
constexpr milliseconds engine_time{30'000};  // and to do anything else
constexpr milliseconds kill_interval{20};    // between looks for what is still there to be killed
constexpr milliseconds look_interval{10};
constexpr int most_tries = 5;  // while what an agent that was killed left is being removed
constexpr std::uint64_t most_words = std::uint64_t{1} << 20U;  // of an engine

// The agent inside does what an agent does: it starts, ends and times the job's program and says how it
// ended. This one runs the engine's program, passes requests on, and sees to it that nothing stays behind.
class ContainedRun {
 public:
  ContainedRun(Agent& agent, const Job& job)
      : agent_(agent),
        job_(job),
        engine_(job.container->run.engine, job.container->engine_program, own_environment()) {}

  Ending run() {
    const auto started = std::chrono::system_clock::now();
    for (int tries = 1;; ++tries) {
      run_engine();
      if (auto ending = read_ending(agent_.job_directory)) {
        return told_apart(*std::move(ending));
      }
      if (ending_early_ || tries == most_tries || !name_is_taken()) {
        break;
      }
      remove_container();
    }
    remove_container();  // an engine that is gone may have left it running
    Ending ending = lost();
    ending.started = started;
    ending.finished = std::chrono::system_clock::now();
    return ending;
  }

 private:
  fs::path file(const char* name) const { return agent_.job_directory / name; }
  bool has_begun() const { return fs::exists(file("begun")); }
  // What the engine's program said last of what went wrong.
  std::string words() const {
    const std::string said = read_file_if_exists(file("engine"), most_words).value_or("");
    std::string found(trim(last_lines(trim(said), 1)));
    for (const std::string& line : split(said, '\n')) {
      if (line.starts_with("docker: ") || line.starts_with("Error: ")) {
        found = line.substr(line.find(' ') + 1);
      }
    }
    return found;
  }
  bool name_is_taken() const { return !has_begun() && words().find("already in use") != std::string::npos; }

  std::vector<std::string> arguments() const {
    ContainerRun run = job_.container->run;
    run.mounts.push_back({path_of_own_executable(), agent_in_container, false});
    run.mounts.push_back({agent_.job_directory, folder_in_container, true});
    run.command = {agent_in_container, "--inside", folder_in_container};
    return run_arguments(run);
  }

  // Until all of the engine's processes here are gone.
  void run_engine() {
    fs::remove(file("begun"));
    give_up_at_.reset();
    start_by_ = Clock::now() + start_time;
    start_engine();
    if (ending_early_) {
      ask_to_end();
    }
    while (!agent_.family.is_empty()) {
      const Events::Happened happened = agent_.events.wait(next_deadline());
      for (const Ended& ended : agent_.family.reap()) {
        if (ended.pid == program_) {
          program_ending_ = ended.ending;
          give_up_at_ =
              std::min(give_up_at_.value_or(Clock::now() + engine_time), Clock::now() + engine_time);
        }
      }
      if (happened.end_requested && !ending_early_) {
        ending_early_ = true;
        ask_to_end();
      }
      look_at_deadlines();
    }
    requests_.close();
  }

  void start_engine() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw_errno("making a pipe");
    }
    const FileDescriptor reading(ends[0]);
    requests_ = FileDescriptor(ends[1]);
    const std::string secrets = wanted_secrets() + '\0';
    ::fcntl(requests_.get(), F_SETPIPE_SZ, static_cast<int>(secrets.size()) + 4096);
    const FileDescriptor output = open_file(file("engine"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    Command command = engine_.command(arguments());
    command.environment = engine_.environment();
    command.standard_input = reading.get();
    command.standard_output = output.get();
    command.standard_error = output.get();
    command.new_group = true;
    command.signal_when_parent_ends = SIGKILL;
    program_ = Process::start(command).pid();
    write_all(requests_.get(), secrets, "the pipe to the container");
  }

  std::string wanted_secrets() const {
    std::map<std::string, std::string> wanted;
    for (const std::string& variable : job_.secret_variables) {
      const auto value = agent_.secrets.find(variable);
      if (value == agent_.secrets.end()) {
        throw Error(fmt::format("the secret for {} was not handed over", variable));
      }
      wanted.insert(*value);
    }
    return join_variables(wanted);
  }

  std::optional<Clock::time_point> next_deadline() const {
    if (!start_by_ || !give_up_at_) {
      return start_by_ ? start_by_ : give_up_at_;
    }
    return std::min(start_by_, give_up_at_);
  }

  void ask_to_end() {
    try {
      write_all(requests_.get(), "cancel\n", "the pipe to the container");
    } catch (const Error&) {  // it has ended just now
    }
    give_up_at_ = Clock::now() + job_.grace + engine_time;
  }

  void look_at_deadlines() {
    const Clock::time_point now = Clock::now();
    if (start_by_ && now >= *start_by_) {
      start_by_.reset();
      if (!has_begun()) {
        give_up_at_ = now;
      } else if (job_.timeout && !give_up_at_) {
        give_up_at_ = now + *job_.timeout + job_.grace + engine_time;
      }
    }
    if (give_up_at_ && now >= *give_up_at_) {  // the engine does not do what it was asked for
      agent_.family.kill_children();
      give_up_at_ = now + kill_interval;
    }
  }

  // As far as the engine does that, and there is one.
  void remove_container() const {
    Command command = engine_.command({"rm", "--force", job_.container->run.name});
    const FileDescriptor nothing = open_file("/dev/null", O_WRONLY);
    command.environment = engine_.environment();
    command.standard_output = nothing.get();
    command.standard_error = nothing.get();
    command.signal_when_parent_ends = SIGKILL;
    Process process = Process::start(command);
    const Clock::time_point give_up_at = Clock::now() + engine_time;
    while (!process.poll()) {
      if (Clock::now() >= give_up_at) {
        process.send_signal(SIGKILL);
        process.wait();
        return;
      }
      std::this_thread::sleep_for(look_interval);
    }
  }

  // Who asked the agent inside to end was not this one: `docker stop`, or an engine that was stopped.
  Ending told_apart(Ending ending) const {
    if (ending.cancelled && !ending_early_) {
      agent_.note("the container was stopped by somebody else");
      ending.cancelled = false;
      ending.exit_code = -1;
      ending.signal = SIGTERM;
    }
    return ending;
  }

  // There is no word of the agent inside.
  Ending lost() const {
    Ending ending;
    if (ending_early_) {
      ending.cancelled = true;
      return ending;
    }
    const std::string said = words();
    if (has_begun()) {
      agent_.note(fmt::format("{} ended before the job's container had ({}): {}", engine_.name(),
                              describe(program_ending_), said.empty() ? "it did not say why" : said));
      ending.signal = SIGKILL;
      return ending;
    }
    ending.failure =
        fmt::format("{} did not start the container in {}", engine_.name(), format_duration(start_time));
    if (program_ending_.signal == 0) {
      Captured captured{program_ending_, "", said};
      const Error error = engine_.failure(fmt::format("{} run", engine_.name()), captured);
      ending.failure = error.what();
    }
    return ending;
  }

  Agent& agent_;
  const Job& job_;
  Engine engine_;
  FileDescriptor requests_;  // to the agent inside: it ends with this
  pid_t program_ = 0;        // the engine's
  ProcessEnding program_ending_;
  bool ending_early_ = false;
  std::optional<Clock::time_point> start_by_;
  std::optional<Clock::time_point> give_up_at_;
};

}  // namespace

Ending run_in_container(Agent& agent, const Job& job) {
  return ContainedRun(agent, job).run();
}

}  // namespace mlpipe
