#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "pipeline/base/error.hpp"
#include "tests/agent/agent_fixture.hpp"

namespace mlpipe {
namespace {

pid_t parent_of(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 4));
  pid_t parent = 0;
  fields >> parent;
  return parent;
}

void wait_for_end(const FileDescriptor& ended) {
  pollfd waiting{ended.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 60'000), 1);
}

// A job of its own beside the fixture's.
struct Other : AgentTest {
  void TestBody() override {}
  using AgentTest::ending;
  using AgentTest::job_directory;
  using AgentTest::lock_path;
  using AgentTest::pid_of;
  using AgentTest::shell;
  using AgentTest::work;
};

class SpawnerTest : public AgentTest {
 protected:
  // The lock is let go here at once, so that the agent's and the spawner's hold can be seen.
  FileDescriptor spawn(const Job& job, const std::map<std::string, std::string>& secrets = {}) {
    write_job(job_directory(), job);
    const FileLock lock = FileLock::wait(lock_path());
    return spawner_.start(job_directory(), lock, secrets);
  }

  AgentSpawner spawner_{agent(), job_directory()};
};

TEST_F(SpawnerTest, RunsOneJobAfterAnotherInOneProcess) {
  wait_for_end(spawn(shell("echo $PPID > agent; exit 3")));
  EXPECT_EQ(ending().exit_code, 3);
  wait_for_end(spawn(shell("echo again; ls -l /proc/self/fd | grep -c -e job -e lock -e socket; true")));
  EXPECT_TRUE(ending().succeeded());
  EXPECT_EQ(log(), "again\n0\n");
}

TEST_F(SpawnerTest, RunsJobsSideBySideEachWithItsOwnLock) {
  Other other;
  write_job(other.job_directory(), other.shell("echo $$ > own; while [ ! -e go ]; do sleep 0.01; done"));
  std::optional<FileLock> lock = FileLock::wait(other.lock_path());
  const FileDescriptor other_ended = spawner_.start(other.job_directory(), *lock);
  lock.reset();
  other.pid_of("own");
  wait_for_end(spawn(shell("true")));
  EXPECT_TRUE(lock_is_free()) << "the other agent holds it too";
  EXPECT_FALSE(FileLock::try_lock(other.lock_path()).has_value());
  write_file_atomically(other.work("go"), "");
  EXPECT_TRUE(other.ending().succeeded());
}

TEST_F(SpawnerTest, HandsSecretsToTheirJob) {
  Job job = shell("echo $TOKEN");
  job.secret_variables = {"TOKEN"};
  wait_for_end(spawn(job, {{"TOKEN", "sesame"}}));
  EXPECT_EQ(log(), "sesame\n");
}

TEST_F(SpawnerTest, TakesTheWholeJobOfAKilledAgentAlongAndNothingElse) {
  Other other;
  write_job(other.job_directory(), other.shell("echo $$ > own; while [ ! -e go ]; do sleep 0.01; done"));
  std::optional<FileLock> lock = FileLock::wait(other.lock_path());
  const FileDescriptor other_ended = spawner_.start(other.job_directory(), *lock);
  lock.reset();
  const FileDescriptor ended = spawn(
      shell("echo $$ > own; echo $PPID > agent; setsid sleep 1000 & echo $! > other; sleep 1000 & wait"));
  const pid_t left_behind = pid_of("other");
  other.pid_of("own");
  ::kill(pid_of("agent"), SIGKILL);
  wait_for_end(ended);
  EXPECT_FALSE(runs(pid_of("own")));
  EXPECT_FALSE(runs(left_behind));
  EXPECT_FALSE(read_ending(job_directory()).has_value());
  EXPECT_TRUE(lock_is_free());
  EXPECT_TRUE(runs(other.pid_of("own")));
  write_file_atomically(other.work("go"), "");
  EXPECT_TRUE(other.ending().succeeded());
}

TEST_F(SpawnerTest, IsStartedAgainWhenItWasKilledAndJobsGoOnWithoutIt) {
  const FileDescriptor ended =
      spawn(shell("echo $PPID > agent; while [ ! -e go ]; do sleep 0.01; done; exit 4"));
  const pid_t spawner = parent_of(pid_of("agent"));
  ::kill(spawner, SIGKILL);
  wait_until([&] { return !runs(spawner); });
  Other other;
  write_job(other.job_directory(), other.shell("exit 5"));
  std::optional<FileLock> lock = FileLock::wait(other.lock_path());
  const FileDescriptor other_ended = spawner_.start(other.job_directory(), *lock);
  lock.reset();
  EXPECT_EQ(other.ending().exit_code, 5);
  EXPECT_FALSE(lock_is_free());
  write_file_atomically(work("go"), "");
  EXPECT_EQ(ending().exit_code, 4);
}

TEST_F(SpawnerTest, JobsOutliveTheProcessThatAskedForThem) {
  write_job(job_directory(), shell("echo $PPID > agent; while [ ! -e go ]; do sleep 0.01; done; exit 6"));
  const pid_t caller = ::fork();
  if (caller == 0) {
    AgentSpawner own(agent(), job_directory());
    const FileLock lock = FileLock::wait(lock_path());
    const FileDescriptor ended = own.start(job_directory(), lock);
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(caller, &status, 0);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  const pid_t spawner = parent_of(pid_of("agent"));
  EXPECT_TRUE(runs(spawner));
  EXPECT_FALSE(lock_is_free());
  write_file_atomically(work("go"), "");
  EXPECT_EQ(ending().exit_code, 6);
  wait_until([&] { return !runs(spawner); });
}

TEST_F(SpawnerTest, SaysInTheLogWhatKeepsAnAgentFromWorking) {
  std::filesystem::create_directories(job_directory() / "control" / "in the way");
  wait_for_end(spawn(shell("true")));
  std::filesystem::remove_all(job_directory() / "control");
  EXPECT_NE(log().find("mlpipe-agent: "), std::string::npos) << log();
  EXPECT_FALSE(read_ending(job_directory()).has_value());
}

}  // namespace
}  // namespace mlpipe
