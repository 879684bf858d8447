// What a job can rely on, wherever it runs: as a process of this machine or in a container of either engine.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "tests/agent/agent_fixture.hpp"
#include "tests/containers/engines.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class JobTest : public AgentTest, public testing::WithParamInterface<Place> {
 protected:
  void SetUp() override {
    for (const char* folder : {"home", "tmp"}) {
      fs::create_directory(job_directory() / folder);
    }
    if (contained() && !found().why_not.empty()) {
      GTEST_SKIP() << found().why_not;
    }
  }

  static bool contained() { return GetParam() != Place::here; }
  static const FoundEngine& found() { return engine_of(GetParam()); }
  static const Engine& engine() { return *found().engine; }

  // Where the job's folder is for the job.
  fs::path folder() const { return contained() ? fs::path(folder_in_container) : job_directory(); }
  std::string container_name() const { return "mlpipe-test-" + job_directory().filename().string(); }

  Job job(const std::string& script) const {
    Job job = shell(script);
    if (contained()) {
      job.work_directory = folder() / "work";
      job.environment = {{"HOME", (folder() / "home").string()}};
      JobContainer& container = job.container.emplace();
      container.engine_program = engine().program();
      container.run.engine = engine().kind();
      container.run.image = found().image;
      container.run.name = container_name();
      container.run.user = fmt::format("{}:{}", ::geteuid(), ::getegid());
      container.run.keep_user_namespace = engine().kind() == EngineKind::podman && ::geteuid() != 0;
    }
    return job;
  }

  bool container_is_there() const {
    return !engine().ask({"ps", "--all", "--quiet", "--filter", "name=" + container_name()}).empty();
  }

  // The agent, not its guard.
  pid_t agent_pid() const {
    std::map<pid_t, pid_t> parents;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
      if (line.starts_with(agent().string()) && line.find(job_directory().string()) != std::string::npos) {
        const std::string stat = read_file_if_exists(entry.path() / "stat").value_or("0 (x) S 0");
        std::istringstream fields(stat.substr(stat.rfind(')') + 3));
        pid_t parent = 0;
        fields >> parent;
        parents.emplace(std::stoi(name), parent);
      }
    }
    for (const auto& [pid, parent] : parents) {
      if (parents.contains(parent)) {
        return pid;
      }
    }
    return 0;
  }

  // What a process of the job does that is to be seen to go on.
  static std::string beating(const std::string& file) {
    return "while :; do echo >> " + file + "; sleep 0.02; done";
  }
  bool still_beats(const std::string& file) const {
    const auto before = fs::file_size(work(file));
    std::this_thread::sleep_for(300ms);
    return fs::file_size(work(file)) != before;
  }
};

TEST_P(JobTest, TellsHowTheProgramEnded) {
  EXPECT_TRUE(run(job("true")).succeeded());
  for (const int status : {3, 126, 127, 125}) {  // the program's own, not the agent's or the engine's
    const Ending ending = run(job("exit " + std::to_string(status)));
    EXPECT_EQ(ending.exit_code, status) << ending.failure;
    EXPECT_EQ(ending.signal, 0);
    EXPECT_EQ(ending.failure, "");
  }
  const Ending killed = run(job("kill -SEGV $$"));
  EXPECT_EQ(killed.exit_code, -1);
  EXPECT_EQ(killed.signal, SIGSEGV);
  EXPECT_FALSE(killed.timed_out || killed.cancelled || killed.out_of_memory);
  EXPECT_GT(killed.peak_memory_bytes, 0U);
  EXPECT_LE(killed.started, killed.finished);
}

TEST_P(JobTest, KeepsOutputAndErrorInOrder) {
  run(job("for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done"));
  std::string expected;
  for (int i = 1; i <= 8; ++i) {
    expected += fmt::format("out {0}\nerr {0}\n", i);
  }
  EXPECT_EQ(log(), expected);
  run(job("head -c 3000000 /dev/zero; cat"));  // a flood; and standard input is empty
  EXPECT_EQ(log().size(), expected.size() + 3'000'000U);
}

TEST_P(JobTest, HasItsEnvironmentAndItsFolder) {
  Job with_values =
      job("pwd; echo \"$VALUE\"; echo $MLPIPE_PROGRESS; touch \"$HOME/made\"; test -n \"$PATH\"");
  with_values.environment["VALUE"] = "a b = c\nd";
  with_values.environment["HOME"] = (folder() / "home").string();
  EXPECT_TRUE(run(with_values).succeeded());
  EXPECT_EQ(log(), fmt::format("{0}/work\na b = c\nd\n{0}/progress\n", folder().string()));
  EXPECT_TRUE(fs::exists(job_directory() / "home" / "made"));
}

TEST_P(JobTest, SaysWhyItCouldNotStart) {
  Job missing = job("");
  missing.arguments = {"no-such-program"};
  EXPECT_TRUE(run(missing).failure.starts_with("'no-such-program': no such program in PATH"))
      << ending().failure;
  missing = job("true");
  missing.secret_variables = {"TOKEN"};
  EXPECT_EQ(describe(run(missing)), "could not start: the secret for TOKEN was not handed over");
}

TEST_P(JobTest, TellsOfItsProgress) {
  start(
      job("echo '{\"done\": 3, \"total\": 7}' >> $MLPIPE_PROGRESS; echo > up; while [ ! -e go ]; do sleep "
          "0.02; done"));
  line_of("up");
  EXPECT_EQ(read_progress(job_directory())->done, 3);
  write_file_atomically(work("go"), "");
  EXPECT_TRUE(ending().succeeded());
}

TEST_P(JobTest, TimesOut) {
  Job slow = job("sleep 1000");
  slow.timeout = 100ms;
  const Ending ended = run(slow);
  EXPECT_TRUE(ended.timed_out);
  EXPECT_EQ(ended.timeout, 100ms);
  EXPECT_EQ(ended.signal, SIGTERM);
}

TEST_P(JobTest, IsCancelledAndMayFinish) {
  start(job("trap 'echo saved; exit 143' TERM; echo > up; while :; do sleep 0.01; done"));
  line_of("up");
  EXPECT_TRUE(cancel_job(job_directory()));
  const Ending ended = ending();
  EXPECT_TRUE(ended.cancelled);
  EXPECT_EQ(ended.exit_code, 143);
  EXPECT_TRUE(log().ends_with("saved\n")) << log();
  EXPECT_FALSE(cancel_job(job_directory()));
}

TEST_P(JobTest, IsCancelledFromTheFirstMoment) {
  start(job("sleep 1000"));
  EXPECT_TRUE(cancel_job(job_directory()));
  EXPECT_TRUE(ending().cancelled);
}

TEST_P(JobTest, IsKilledWhenItIgnoresTheRequestToEnd) {
  Job stubborn = job("trap '' TERM; echo > up; sleep 1000 & sleep 1000");
  stubborn.grace = 50ms;
  start(stubborn);
  line_of("up");
  cancel_job(job_directory());
  const Ending ended = ending();
  EXPECT_TRUE(ended.cancelled);
  EXPECT_EQ(ended.signal, SIGKILL);
}

TEST_P(JobTest, LeavesNothingBehind) {
  const Ending ended = run(job("setsid sh -c '" + beating("one") + "' & (sh -c '" + beating("two") +
                               "' &); while [ ! -s one ] || [ ! -s two ]; do sleep 0.01; done; exit 5"));
  EXPECT_EQ(ended.exit_code, 5);
  EXPECT_FALSE(ended.cancelled);
  EXPECT_FALSE(still_beats("one"));
  EXPECT_FALSE(still_beats("two"));
  if (contained()) {
    EXPECT_FALSE(container_is_there());
  }
}

TEST_P(JobTest, EndsWithItsAgentAndMakesRoomForTheNext) {
  start(job("setsid sh -c '" + beating("other") + "' & echo > up; " + beating("own")));
  line_of("up");
  line_of("other");
  ::kill(agent_pid(), SIGKILL);
  const FileLock lock = FileLock::wait(lock_path());
  EXPECT_FALSE(read_ending(job_directory()).has_value());
  EXPECT_FALSE(cancel_job(job_directory()));
  // At once, while what was left may still be on its way out.
  Job next = job("exit 6");
  write_job(job_directory(), next);
  start_agent(agent(), job_directory(), FileLock::wait(job_directory() / "next-lock"));
  const FileLock ended = FileLock::wait(job_directory() / "next-lock");
  const std::optional<Ending> second = read_ending(job_directory());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->exit_code, 6) << second->failure;
  EXPECT_FALSE(still_beats("own"));
  EXPECT_FALSE(still_beats("other"));
  if (contained()) {
    EXPECT_FALSE(container_is_there());
  }
}

TEST_P(JobTest, OutlivesTheProcessThatStartedIt) {
  write_job(job_directory(), job("while [ ! -e go ]; do sleep 0.01; done; exit 6"));
  const pid_t caller = ::fork();
  if (caller == 0) {
    start();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(caller, &status, 0), caller);
  EXPECT_FALSE(lock_is_free());
  EXPECT_FALSE(read_ending(job_directory()).has_value());
  write_file_atomically(work("go"), "");
  EXPECT_EQ(ending().exit_code, 6);
}

TEST_P(JobTest, GetsItsSecretsThroughNoFile) {
  const std::string value = "s3cr3t\nvalue";
  Job secret =
      job("printf %s \"$TOKEN\" | od -An -c | tr -d ' \\n'; printf %s \"$OTHER\"; echo > up;"
          "while [ ! -e go ]; do sleep 0.02; done");
  secret.secret_variables = {"TOKEN"};
  write_job(job_directory(), secret);
  start_agent(agent(), job_directory(), FileLock::wait(lock_path()), {{"TOKEN", value}, {"OTHER", "x"}});
  line_of("up");
  for (const fs::directory_entry& process : fs::directory_iterator("/proc")) {
    const auto arguments = read_file_if_exists(process.path() / "cmdline");
    EXPECT_EQ(arguments.value_or("").find(value), std::string::npos);
  }
  if (contained()) {
    EXPECT_EQ(engine().ask({"inspect", container_name()}).find("s3cr3t"), std::string::npos);
  }
  write_file_atomically(work("go"), "");
  EXPECT_TRUE(ending().succeeded());
  EXPECT_EQ(log(), "s3cr3t\\nvalue");  // and not OTHER, which the job does not name
  for (const auto& entry : fs::recursive_directory_iterator(job_directory())) {
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path()).find(value), std::string::npos) << entry.path();
    }
  }
}

TEST_P(JobTest, RunsAsSeveralProcessesThatReachEachOther) {
  Job several =
      job("echo $RANK of $WORLD_SIZE; if [ $RANK = 0 ]; then perl -MIO::Socket::INET -e '"
          "my $l = IO::Socket::INET->new(LocalAddr => $ENV{MASTER_ADDR}, LocalPort => $ENV{MASTER_PORT}, "
          "Listen => 1,"
          "ReuseAddr => 1) or die; my $c = $l->accept; print \"heard \", scalar <$c>'; else perl "
          "-MIO::Socket::INET -e '"
          "my $c; $c = IO::Socket::INET->new(\"$ENV{MASTER_ADDR}:$ENV{MASTER_PORT}\") or select undef, "
          "undef, undef, 0.05"
          " while !$c; print $c \"rank $ENV{RANK}\\n\"'; fi");
  several.processes = 2;
  several.timeout = 60s;
  const Ending ended = run(several);
  EXPECT_TRUE(ended.succeeded()) << describe(ended) << log();
  for (const char* line : {"[0] 0 of 2\n", "[1] 1 of 2\n", "[0] heard rank 1\n"}) {
    EXPECT_NE(log().find(line), std::string::npos) << log();
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, JobTest, testing::Values(Place::here, Place::docker, Place::podman),
                         [](const auto& one) { return name_of(one.param); });

// What only a container gives.
class ContainerJobTest : public JobTest {};

TEST_P(ContainerJobTest, SeesItsInputsReadOnlyAndNothingElseOfTheMachine) {
  const TemporaryDirectory store;
  write_file_atomically(store.path() / "data, \"quoted\"", "the data", 0444);
  write_file_atomically(work("input"), "");
  Job reading =
      job("cat input; echo; ! touch input 2> /dev/null && ! sh -c ': > input' 2> /dev/null && "
          "! mkdir /made 2> /dev/null && touch /tmp/a /var/tmp/b && test ! -e " +
          store.path().string());
  reading.container->run.mounts = {{store.path() / "data, \"quoted\"", folder() / "work" / "input", false}};
  const Ending ended = run(reading);
  EXPECT_TRUE(ended.succeeded()) << describe(ended) << log();
  EXPECT_EQ(log(), "the data\n");
}

TEST_P(ContainerJobTest, RunsAsTheCallingUserWithoutRightsOrNetwork) {
  const Ending ended =
      run(job("id -u; id -g; grep -e CapEff -e CapBnd -e NoNewPrivs /proc/self/status; "
              "ls /sys/class/net; touch made"));
  EXPECT_TRUE(ended.succeeded()) << describe(ended) << log();
  const std::string none = "0000000000000000";
  EXPECT_EQ(log(), fmt::format("{}\n{}\nCapEff:\t{}\nCapBnd:\t{}\nNoNewPrivs:\t1\nlo\n", ::geteuid(),
                               ::getegid(), none, none));
}

TEST_P(ContainerJobTest, NamesWantOfMemory) {
  Job hungry = job("perl -e '$x = q(a) x 200e6; print length $x'");
  hungry.container->run.memory = std::uint64_t{64} << 20U;
  Ending ended = run(hungry);
  EXPECT_TRUE(ended.out_of_memory) << describe(ended) << log();
  EXPECT_EQ(describe(ended), "out of memory: it had 64.0 MiB");
  hungry.arguments = {"perl", "-e",
                      "$x = q(a) x 200e6; print length $x"};  // the program itself, not its child
  ended = run(hungry);
  EXPECT_TRUE(ended.out_of_memory) << describe(ended) << log();
  hungry.container->run.memory = std::uint64_t{1} << 30U;
  EXPECT_TRUE(run(hungry).succeeded()) << log();
}

TEST_P(ContainerJobTest, SaysWhatTheEngineSaysWhenItDoesNotStart) {
  Job wrong = job("true");
  wrong.container->run.image = "sha256:" + std::string(64, 'a');
  Ending ended = run(wrong);
  EXPECT_TRUE(ended.failure.starts_with(engine().name() + std::string(" run: "))) << ended.failure;
  EXPECT_NE(ended.failure.find("aaaaaaaa"), std::string::npos) << ended.failure;
  wrong = job("true");
  wrong.container->run.mounts = {{"/no/such/input", folder() / "work" / "input", false}};
  ended = run(wrong);
  EXPECT_NE(ended.failure.find("/no/such/input"), std::string::npos) << ended.failure;
  wrong = job("true");
  wrong.container->engine_program = "/no/such/engine";
  EXPECT_NE(run(wrong).failure.find("/no/such/engine"), std::string::npos);
}

TEST_P(ContainerJobTest, IsLostWhenTheEnginesProgramIsKilled) {
  start(job("echo > up; " + beating("own")));
  line_of("up");
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
    if (line.find(container_name()) != std::string::npos && line.find("--interactive") != std::string::npos) {
      ::kill(std::stoi(entry.path().filename()), SIGKILL);
    }
  }
  const Ending ended = ending();
  EXPECT_EQ(ended.signal, SIGKILL);
  EXPECT_NE(log().find("ended before the job's container had"), std::string::npos) << log();
  EXPECT_FALSE(still_beats("own"));
  EXPECT_FALSE(container_is_there());
}

TEST_P(ContainerJobTest, IsKilledByWhoStopsItsContainer) {
  start(job("echo > up; sleep 1000"));
  line_of("up");
  engine().ask({"stop", container_name()});
  const Ending ended = ending();
  EXPECT_EQ(describe(ended), "killed by signal 15 (Terminated)");
  EXPECT_FALSE(ended.cancelled);
  start(job("echo > up2; sleep 1000"));
  line_of("up2");
  engine().ask({"kill", container_name()});
  EXPECT_EQ(ending().signal, SIGKILL);
  EXPECT_FALSE(container_is_there());
}

INSTANTIATE_TEST_SUITE_P(Engines, ContainerJobTest, testing::Values(Place::docker, Place::podman),
                         [](const auto& one) { return name_of(one.param); });

}  // namespace
}  // namespace mlpipe
