#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <sstream>

#include "pipeline/base/error.hpp"
#include "tests/agent/agent_fixture.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// What a service answers, or "refused".
std::string ask(std::uint16_t port) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return "refused";
  }
  std::string answer(100, '\0');
  const ssize_t count = ::recv(socket.get(), answer.data(), answer.size(), 0);
  answer.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return answer;
}

std::string word_of(const std::string& answer) {
  return answer.substr(0, answer.find(' '));
}
pid_t pid_in(const std::string& answer) {
  return std::stoi(answer.substr(answer.find(' ') + 1));
}

class ServiceTest : public AgentTest {
 protected:
  Job service(const std::string& answer) const {
    Job job = shell("");
    job.arguments = {LISTENING_PROGRAM, "{listen:http}", answer, ready_file()};
    job.keep_running = true;
    job.listen = {{"http"}};
    job.ready_file = ready_file();
    return job;
  }
  Job failing(const std::string& script) const {
    Job job = service("never");
    job.arguments = {"/bin/sh", "-c", script};
    return job;
  }
  std::string ready_file() const { return work("ready").string(); }
  std::uint16_t port() const { return read_listen(job_directory()).at(0).port; }

  void start_service(const Job& job) const {
    start(job);
    wait_until([&] { return std::filesystem::exists(ready_file()); });
  }
  Replacement replace(const Job& job) const {
    write_job(job_directory(), job);
    return replace_service(job_directory());
  }
  Ending cancelled() const {
    EXPECT_TRUE(cancel_job(job_directory()));
    return ending();
  }
};

TEST_F(ServiceTest, IsStartedAgainWithWhatJobJsonSays) {
  Job job = shell("echo first >> runs; exit 3");
  job.keep_running = true;
  start(job);
  line_of("runs");
  job.arguments = {"/bin/sh", "-c", "echo second >> runs; echo > again; sleep 1000"};
  write_job(job_directory(), job);
  line_of("again");
  const std::string runs = read_file(work("runs"));
  EXPECT_TRUE(runs.starts_with("first\n") && runs.ends_with("first\nsecond\n")) << runs;
  EXPECT_NE(log().find("mlpipe-agent: the service ended (exit status 3); starting it again in 100 ms\n"),
            std::string::npos)
      << log();
  const Ending ended = cancelled();
  EXPECT_TRUE(ended.cancelled);
  EXPECT_EQ(ended.signal, SIGTERM);
}

TEST_F(ServiceTest, WaitsLongerEachTime) {
  Job job = shell("echo >> runs");
  job.keep_running = true;
  start(job);
  wait_until([&] { return log().find("again in 400 ms\n") != std::string::npos; });
  const std::string text = log();
  EXPECT_LT(text.find("again in 100 ms\n"), text.find("again in 200 ms\n"));
  EXPECT_LT(text.find("again in 200 ms\n"), text.find("again in 400 ms\n"));
  EXPECT_TRUE(cancelled().cancelled);  // while no program runs
}

TEST_F(ServiceTest, IsTriedAgainWhileJobJsonIsBroken) {
  Job job = shell("echo >> runs");
  job.keep_running = true;
  start(job);
  line_of("runs");
  write_file_atomically(job_directory() / "job.json", "{");
  wait_until([&] { return log().find("job.json: ") != std::string::npos; });
  job.arguments.back() = "echo > mended; sleep 1000";
  write_job(job_directory(), job);
  line_of("mended");
}

TEST_F(ServiceTest, EndsWhenItsFirstStartFails) {
  Job job = shell("");
  job.keep_running = true;
  job.arguments = {"no-such-program"};
  EXPECT_EQ(run(job).failure, "'no-such-program': no such program in PATH (/usr/bin:/bin)");
}

TEST_F(ServiceTest, KillsTheRestOfAProgramThatEnded) {
  Job job = shell(
      "trap '' TERM; if [ ! -e child ]; then sleep 1000 & echo $! > child; exit; fi; echo > again; sleep "
      "1000");
  job.keep_running = true;
  job.grace = 20ms;
  start(job);
  line_of("again");
  const pid_t child = pid_of("child");
  wait_until([&] { return !runs(child); });
  EXPECT_EQ(cancelled().signal, SIGKILL);
}

TEST_F(ServiceTest, ListensOnceAndKeepsTheSocketThroughRestarts) {
  start_service(service("hello"));
  const std::uint16_t bound = port();
  EXPECT_NE(bound, 0);
  const std::string first = ask(bound);
  EXPECT_EQ(word_of(first), "hello");
  ::kill(pid_in(first), SIGKILL);
  const pid_t old = pid_in(first);
  wait_until([&] { return !runs(old); });
  const std::string second = ask(bound);  // waits in the socket's queue until the program is back
  EXPECT_EQ(word_of(second), "hello");
  EXPECT_NE(pid_in(second), old);
  EXPECT_EQ(port(), bound);
  cancelled();
  EXPECT_EQ(ask(bound), "refused");
}

TEST_F(ServiceTest, SaysWhereItCannotListen) {
  start_service(service("hello"));
  const TemporaryDirectory folder;
  Job second = service("hello");
  second.listen = {{"http", "127.0.0.1", port()}};
  write_job(folder.path(), second);
  start_agent(agent(), folder.path(), FileLock::wait(folder.path() / "lock"));
  FileLock::wait(folder.path() / "lock");
  EXPECT_EQ(describe(read_ending(folder.path()).value()),
            fmt::format("could not start: listening at 127.0.0.1:{}: Address already in use", port()));
  EXPECT_EQ(word_of(ask(port())), "hello");
}

TEST_F(ServiceTest, SaysWhichAddressMakesNoSense) {
  Job job = service("hello");
  job.listen = {{"http", "some.name", 80}};
  EXPECT_EQ(run(job).failure, "listening at some.name:80: 'some.name' is no numeric address");
  job.listen = {{"other"}};
  EXPECT_EQ(run(job).failure, "the argument '{listen:http}' names a socket that the job does not listen at");
}

TEST_F(ServiceTest, ListensAtSeveralAddresses) {
  Job job = shell("echo {listen:http} {listen:admin} > numbers; ls /proc/self/fd > open; sleep 1000");
  job.keep_running = true;
  job.listen = {{"http"}, {"admin", "localhost"}, {"six", "::1"}};
  start(job);
  line_of("open");
  std::istringstream numbers(line_of("numbers"));
  std::string http, admin;
  numbers >> http >> admin;
  const std::string open = read_file(work("open"));
  EXPECT_NE(open.find("\n" + http + "\n"), std::string::npos) << open;
  EXPECT_NE(open.find("\n" + admin + "\n"), std::string::npos) << open;
  EXPECT_EQ(std::count(open.begin(), open.end(), '\n'), 7)
      << open;  // and 0 to 2, and the folder that ls reads
  const std::vector<Listen> bound = read_listen(job_directory());
  ASSERT_EQ(bound.size(), 3U);
  EXPECT_EQ(bound[0].name, "http");
  EXPECT_NE(bound[0].port, bound[1].port);
  EXPECT_EQ(bound[2].host, "::1");
}

TEST_F(ServiceTest, IsReplacedWithoutARefusedConnection) {
  start_service(service("v0"));
  const std::uint16_t bound = port();
  std::atomic<bool> stop = false;
  std::atomic<int> failures = 0, answers = 0;
  std::thread client([&] {
    while (!stop) {
      (word_of(ask(bound))[0] == 'v' ? answers : failures)++;
    }
  });
  for (int version = 1; version <= 10; ++version) {
    const pid_t old = pid_in(ask(bound));
    const Replacement replacement = replace(service(fmt::format("v{}", version)));
    EXPECT_TRUE(replacement.replaced) << replacement.failure;
    wait_until([&] { return !runs(old); });
    EXPECT_EQ(word_of(ask(bound)), fmt::format("v{}", version));
  }
  stop = true;
  client.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(answers, 0);
  EXPECT_EQ(port(), bound);
  EXPECT_TRUE(cancelled().cancelled);
}

TEST_F(ServiceTest, KeepsTheOldProgramWhenTheNewOneFails) {
  start_service(service("old"));
  const pid_t old = pid_in(ask(port()));
  EXPECT_EQ(replace(failing("exit 9")).failure, "the new program ended before it was ready: exit status 9");
  Job job = failing("sleep 1000");
  job.ready_timeout = 50ms;
  EXPECT_EQ(replace(job).failure, "the new program was not ready after 50 ms");
  job.arguments = {"no-such-program"};
  EXPECT_EQ(replace(job).failure, "starting 'no-such-program': no such program in PATH (/usr/bin:/bin)");
  job.ready_file.clear();
  EXPECT_EQ(replace(job).failure, "the new program names no ready_file");
  job = service("new");
  job.listen.push_back({"other", "127.0.0.1", port()});
  EXPECT_EQ(replace(job).failure, fmt::format("listening at 127.0.0.1:{}: Address already in use", port()));
  write_file_atomically(job_directory() / "job.json", "[]");
  EXPECT_NE(replace_service(job_directory()).failure.find("job.json"), std::string::npos);

  EXPECT_EQ(pid_in(ask(port())), old);
  EXPECT_EQ(read_job(job_directory()).arguments, service("old").arguments);
  EXPECT_EQ(read_listen(job_directory()).size(), 1U);
  ::kill(old, SIGKILL);
  EXPECT_EQ(word_of(ask(port())), "old");
}

TEST_F(ServiceTest, IsReplacedWhileItsProgramKeepsCrashing) {
  Job job = failing("exit 1");
  start(job);
  wait_until([&] { return log().find("again in 200 ms\n") != std::string::npos; });
  const Replacement replacement = replace(service("new"));
  EXPECT_TRUE(replacement.replaced) << replacement.failure;
  EXPECT_EQ(word_of(ask(port())), "new");
}

TEST_F(ServiceTest, ThatMustGetReadyIsNotStartedAgainBefore) {
  Job job = failing("echo started; exit 7");
  job.must_get_ready = true;
  start(job);
  EXPECT_EQ(ending().exit_code, 7);
  EXPECT_EQ(log(), "started\nmlpipe-agent: the service ended before it was ready (exit status 7)\n");
}

TEST_F(ServiceTest, ThatWasReadyOnceIsStartedAgain) {
  Job job = service("v1");
  job.must_get_ready = true;
  start_service(job);
  Job broken = failing("exit 9");
  broken.must_get_ready = true;
  EXPECT_FALSE(replace(broken).replaced);
  const pid_t old = pid_in(ask(port()));
  ::kill(old, SIGKILL);
  EXPECT_EQ(word_of(ask(port())), "v1");
}

TEST_F(ServiceTest, KillsAnOldProgramThatDoesNotEnd) {
  Job old = failing("trap '' TERM; echo $$ > old; while :; do sleep 0.01; done");
  old.grace = 30ms;
  start(old);
  const pid_t pid = pid_of("old");
  EXPECT_TRUE(replace(service("new")).replaced);
  wait_until([&] { return !runs(pid); });
  EXPECT_EQ(word_of(ask(port())), "new");
}

TEST_F(ServiceTest, LaterRequestToReplaceWins) {
  start_service(service("old"));
  Replacement first;
  std::thread caller([&] { first = replace(failing("echo > started; sleep 1000")); });
  line_of("started");
  EXPECT_TRUE(replace(service("new")).replaced);
  EXPECT_EQ(word_of(ask(port())), "new");
  caller.join();
  EXPECT_FALSE(first.replaced);
  EXPECT_EQ(first.failure, "another replacement was asked for");
}

TEST_F(ServiceTest, CancelEndsAReplacementToo) {
  start_service(service("old"));
  Replacement replacement;
  std::thread caller([&] { replacement = replace(failing("echo $$ > started; sleep 1000")); });
  const pid_t candidate = pid_of("started");
  EXPECT_TRUE(cancelled().cancelled);
  caller.join();
  EXPECT_EQ(replacement.failure, "the service was asked to end");
  EXPECT_FALSE(runs(candidate));
}

TEST_F(ServiceTest, ReplacingNeedsAnAgent) {
  EXPECT_THROW(replace(service("new")), Error);
}

TEST_F(ServiceTest, IsKilledWithItsAgent) {
  Job job = shell("echo $$ > own; echo $PPID > agent; sleep 1000");
  job.keep_running = true;
  start(job);
  ::kill(pid_of("agent"), SIGKILL);
  FileLock::wait(lock_path());
  EXPECT_FALSE(runs(pid_of("own")));
}

}  // namespace
}  // namespace mlpipe
