#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "pipeline/base/error.hpp"
#include "tests/agent/agent_fixture.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

TEST_F(AgentTest, TellsHowTheProgramEnded) {
  EXPECT_TRUE(run(shell("true")).succeeded());
  for (const int status : {3, 126, 127}) {  // 126 and 127 are the program's own, not the agent's
    const Ending ending = run(shell("exit " + std::to_string(status)));
    EXPECT_EQ(ending.exit_code, status);
    EXPECT_EQ(ending.signal, 0);
    EXPECT_EQ(ending.failure, "");
    EXPECT_FALSE(ending.succeeded());
  }
  const Ending killed = run(shell("kill -SEGV $$"));
  EXPECT_EQ(killed.exit_code, -1);
  EXPECT_EQ(killed.signal, SIGSEGV);
  EXPECT_FALSE(killed.timed_out || killed.cancelled);
  EXPECT_GT(killed.peak_memory_bytes, 0U);
  EXPECT_LE(killed.started, killed.finished);
}

TEST_F(AgentTest, KeepsOutputAndErrorInTheLog) {
  run(shell("echo one; echo two >&2; echo three"));
  EXPECT_EQ(log(), "one\ntwo\nthree\n");
  run(shell("head -c 30000000 /dev/zero; cat"));  // a flood; and standard input is empty
  EXPECT_EQ(log().size(), 30'000'014U);
}

TEST_F(AgentTest, GivesExactlyTheEnvironmentAndTheFolder) {
  Job job = shell("");
  job.arguments = {"env"};
  job.environment = {{"PATH", "/usr/bin"}, {"VALUE", "a b = c\nd"}};
  run(job);
  EXPECT_EQ(log(), "MLPIPE_PROGRESS=" + (job_directory() / "progress").string() +
                       "\nPATH=/usr/bin\nVALUE=a b = c\nd\n");
  run(shell("pwd > where"));
  EXPECT_EQ(line_of("where"), (job_directory() / "work").string());
}

TEST_F(AgentTest, HandsNoDescriptorToTheJob) {
  Job job = shell("");
  job.arguments = {"ls", "/proc/self/fd"};
  run(job);
  EXPECT_EQ(log(), "0\n1\n2\n3\n");  // 3: the folder that ls reads
}

TEST_F(AgentTest, RunsTheJobInASessionAndGroupOfItsOwn) {
  run(shell("cut -d ' ' -f 5,6 /proc/$$/stat > group; echo $$ >> group"));
  std::istringstream text(read_file(work("group")));
  pid_t group = 0, session = 0, pid = 0;
  text >> group >> session >> pid;
  EXPECT_EQ(group, pid);
  EXPECT_NE(session, ::getsid(0));
  EXPECT_NE(session, pid);  // the agent's
}

TEST_F(AgentTest, SaysWhyAJobCouldNotStart) {
  Job job = shell("");
  job.arguments = {"no-such-program"};
  EXPECT_EQ(run(job).failure, "'no-such-program': no such program in PATH (/usr/bin:/bin)");
  job.arguments = {"/etc/passwd"};
  const Ending ending = run(job);
  EXPECT_EQ(describe(ending), "could not start: /etc/passwd: Permission denied");
  EXPECT_EQ(ending.exit_code, -1);
  EXPECT_FALSE(ending.succeeded());
  job = shell("true");
  job.work_directory = "/no/such/folder";
  EXPECT_EQ(run(job).failure, "/bin/sh in /no/such/folder: No such file or directory");
}

TEST_F(AgentTest, SaysWhatIsWrongWithJobJson) {
  start();
  EXPECT_EQ(ending().failure,
            "opening " + (job_directory() / "job.json").string() + ": No such file or directory");
  for (const std::string text : {"", "[", "{}", "[1]", R"({"arguments": 7})", "\xff"}) {
    write_file_atomically(job_directory() / "job.json", text);
    start();
    EXPECT_NE(ending().failure.find("job.json"), std::string::npos) << text;
  }
  write_job(job_directory(), shell("true"));
  start();
  EXPECT_TRUE(ending().succeeded());  // and nothing of the earlier endings is left
}

TEST_F(AgentTest, TimesOut) {
  Job job = shell("sleep 1000");
  job.timeout = 100ms;
  const Ending ending = run(job);
  EXPECT_TRUE(ending.timed_out);
  EXPECT_EQ(ending.timeout, 100ms);
  EXPECT_EQ(ending.signal, SIGTERM);
  EXPECT_FALSE(ending.succeeded());
}

TEST_F(AgentTest, CancelsAndLetsTheProgramFinish) {
  start(shell("trap 'echo saved; exit 143' TERM; echo > up; while :; do sleep 0.01; done"));
  line_of("up");
  EXPECT_TRUE(cancel_job(job_directory()));
  const Ending ended = ending();
  EXPECT_TRUE(ended.cancelled);
  EXPECT_EQ(ended.exit_code, 143);
  EXPECT_TRUE(log().ends_with("saved\n")) << log();
  EXPECT_FALSE(cancel_job(job_directory()));
}

TEST_F(AgentTest, CancelsFromTheFirstMoment) {
  start(shell("sleep 1000"));
  EXPECT_TRUE(cancel_job(job_directory()));
  EXPECT_TRUE(ending().cancelled);
}

TEST_F(AgentTest, KillsWhatIgnoresTheRequestToEnd) {
  Job job = shell("trap '' TERM; echo > up; sleep 1000 & sleep 1000");
  job.grace = 50ms;
  start(job);
  line_of("up");
  cancel_job(job_directory());
  const Ending ended = ending();
  EXPECT_TRUE(ended.cancelled);
  EXPECT_EQ(ended.signal, SIGKILL);
}

TEST_F(AgentTest, EndsWhatTheProgramLeavesBehind) {
  const Ending ended =
      run(shell("setsid sh -c 'echo $$ > one; exec sleep 1000' & (sh -c 'echo $$ > two; sleep 1000' &);"
                "while [ ! -s one ] || [ ! -s two ]; do sleep 0.01; done; exit 5"));
  EXPECT_EQ(ended.exit_code, 5);
  EXPECT_FALSE(ended.cancelled);
  EXPECT_FALSE(runs(pid_of("one")));
  EXPECT_FALSE(runs(pid_of("two")));
}

TEST_F(AgentTest, KillsADaemonThatIgnoresTheRequestToEnd) {
  Job job = shell(
      "setsid sh -c \"trap '' TERM; echo \\$\\$ > one; while :; do sleep 0.1; done\" &"
      "while [ ! -s one ]; do sleep 0.01; done");
  job.grace = 50ms;
  EXPECT_TRUE(run(job).succeeded());
  EXPECT_FALSE(runs(pid_of("one")));
}

TEST_F(AgentTest, TakesTheWholeJobAlongWhenItIsKilled) {
  start(shell("echo $$ > own; echo $PPID > agent; setsid sleep 1000 & echo $! > other; sleep 1000 & wait"));
  const pid_t other = pid_of("other");
  ::kill(pid_of("agent"), SIGKILL);
  const FileLock lock = FileLock::wait(lock_path());
  EXPECT_FALSE(runs(pid_of("own")));
  EXPECT_FALSE(runs(other));
  EXPECT_FALSE(read_ending(job_directory()).has_value());
  EXPECT_FALSE(cancel_job(job_directory()));
}

TEST_F(AgentTest, GoesOnWithoutItsGuard) {
  start(shell("echo $PPID > agent; while [ ! -e go ]; do sleep 0.01; done; exit 4"));
  const std::string stat = read_file("/proc/" + line_of("agent") + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 4));
  pid_t guard = 0;
  fields >> guard;
  ASSERT_GT(guard, 1);
  ::kill(guard, SIGKILL);
  wait_until([&] { return !runs(guard); });
  EXPECT_FALSE(lock_is_free());
  write_file_atomically(work("go"), "");
  EXPECT_EQ(ending().exit_code, 4);
}

TEST_F(AgentTest, OutlivesTheProcessThatStartedIt) {
  write_job(job_directory(), shell("while [ ! -e go ]; do sleep 0.01; done; exit 6"));
  const pid_t caller = ::fork();
  if (caller == 0) {
    start();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(caller, &status, 0), caller);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(lock_is_free());
  EXPECT_FALSE(read_ending(job_directory()).has_value());
  write_file_atomically(work("go"), "");
  EXPECT_EQ(ending().exit_code, 6);
}

TEST_F(AgentTest, IsNotTheCallersChild) {
  start(shell("sleep 1000"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(AgentTest, EndsTheJobWhenItIsAskedByASignal) {
  start(shell("echo $PPID > agent; sleep 1000"));
  ::kill(pid_of("agent"), SIGTERM);
  EXPECT_TRUE(ending().cancelled);
}

TEST_F(AgentTest, StaysInTheForegroundWhenItIsNotDetached) {
  write_job(job_directory(), shell("echo hello; exit 7"));
  Command command;
  command.arguments = {agent().string(), job_directory().string()};
  EXPECT_EQ(run_and_capture(command).ending.exit_code, 0);
  EXPECT_EQ(read_ending(job_directory())->exit_code, 7);

  write_job(job_directory(), shell("echo > up; sleep 1000"));
  Process process = Process::start(command);
  line_of("up");
  process.send_signal(SIGTERM);
  process.wait();
  EXPECT_TRUE(read_ending(job_directory())->cancelled);
}

TEST_F(AgentTest, RefusesAWrongCommandLine) {
  Command command;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"--unknown"},
                                             {"--lock-fd"},
                                             {"--lock-fd", "99", "."},
                                             {"--lock-fd", "x", "."},
                                             {"/no/such"},
                                             {".", "."}}) {
    command.arguments = {agent().string()};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    const Captured captured = run_and_capture(command);
    EXPECT_EQ(captured.ending.exit_code, 2);
    EXPECT_TRUE(captured.error.starts_with("mlpipe-agent: ")) << captured.error;
  }
}

TEST_F(AgentTest, ThrowsWhenItCannotBeStarted) {
  EXPECT_THROW(start_agent("/no/such/agent", job_directory(), FileLock::wait(lock_path())), Error);
  EXPECT_TRUE(lock_is_free());
  try {
    start_agent(agent(), "/no/such/folder", FileLock::wait(lock_path()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no folder /no/such/folder"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(lock_is_free());
}

TEST_F(AgentTest, ManyRunAtOnce) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (int round = 0; round < 5; ++round) {
        const TemporaryDirectory folder;
        Job job = shell("exit " + std::to_string(i));
        job.work_directory = folder.path();
        write_job(folder.path(), job);
        start_agent(agent(), folder.path(), FileLock::wait(folder.path() / "lock"));
        const FileLock lock = FileLock::wait(folder.path() / "lock");
        EXPECT_EQ(read_ending(folder.path()).value_or(Ending{}).exit_code, i);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(AgentTest, SecretsReachTheJobAndNoFile) {
  const std::string value = "s3cr3t-value";
  Job job =
      shell("printf %s \"$TOKEN\" | tr a-z A-Z; printf ' %s' \"$OTHER\"; tr '\\0' ' ' < /proc/$PPID/cmdline");
  job.secret_variables = {"TOKEN"};
  write_job(job_directory(), job);
  start_agent(agent(), job_directory(), FileLock::wait(lock_path()), {{"TOKEN", value}, {"OTHER", "x"}});
  EXPECT_TRUE(ending().succeeded());
  EXPECT_TRUE(log().starts_with("S3CR3T-VALUE /")) << log();  // and not OTHER, which the job does not name
  for (const auto& entry : std::filesystem::recursive_directory_iterator(job_directory())) {
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path()).find(value), std::string::npos) << entry.path();
    }
  }
}

TEST_F(AgentTest, AJobWhoseSecretsWereNotHandedOverDoesNotStart) {
  Job job = shell("touch ran");
  job.secret_variables = {"TOKEN"};
  EXPECT_EQ(describe(run(job)), "could not start: the secret for TOKEN was not handed over");
  EXPECT_FALSE(std::filesystem::exists(work("ran")));
}

}  // namespace
}  // namespace mlpipe
