#include "pipeline/base/process.hpp"
#include "pipeline/base/open_files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

Command shell(const std::string& script) {
  Command command;
  command.arguments = {"/bin/sh", "-c", script};
  return command;
}

std::string error_of(const Command& command) {
  try {
    Process::start(command).wait();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Process, GivesOutputErrorAndExitStatus) {
  const Captured captured = run_and_capture(shell("cat; echo wrong >&2; exit 3"), "some input");
  EXPECT_EQ(captured.output, "some input");
  EXPECT_EQ(captured.error, "wrong\n");
  EXPECT_EQ(captured.ending.exit_code, 3);
  EXPECT_EQ(describe(captured.ending), "exit status 3");
}

TEST(Process, TellsASignalFromAnExit) {
  const ProcessEnding ending = Process::start(shell("kill -KILL $$")).wait();
  EXPECT_EQ(ending.signal, SIGKILL);
  EXPECT_EQ(ending.exit_code, -1);
  EXPECT_EQ(describe(ending), "killed by signal 9 (Killed)");
}

TEST(Process, SeesExactlyTheGivenEnvironment) {
  Command command;
  command.arguments = {"/usr/bin/env"};
  command.environment = Environment{{"B", "2 = two"}, {"A", ""}};
  EXPECT_EQ(run_and_capture(command).output, "A=\nB=2 = two\n");
}

TEST(Process, LooksNamesUpInTheGivenPath) {
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "greet", "#!/bin/sh\necho hello\n", 0755);
  Command command;
  command.arguments = {"greet"};
  command.environment = Environment{{"PATH", "/nowhere:" + folder.path().string()}};
  EXPECT_EQ(run_and_capture(command).output, "hello\n");
  command.environment = Environment{{"PATH", "/nowhere"}};
  EXPECT_EQ(error_of(command), "starting 'greet': no such program in PATH (/nowhere)");
}

TEST(Process, SaysWhyItCouldNotStart) {
  const TemporaryDirectory folder;
  const std::string file = (folder.path() / "file").string();
  Command command;
  EXPECT_EQ(error_of(command), "starting a program: its command line is empty");
  command.arguments = {file};
  EXPECT_EQ(error_of(command), "starting " + file + ": No such file or directory");
  write_file_atomically(file, "#!/no/such/interpreter\n", 0644);
  EXPECT_EQ(error_of(command), "starting " + file + ": Permission denied");
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  EXPECT_EQ(error_of(command), "starting " + file + ": the interpreter in its first line does not exist");
  command = shell("true");
  command.work_directory = "/no/such/folder";
  EXPECT_EQ(error_of(command), "starting /bin/sh in /no/such/folder: No such file or directory");
  command = shell(std::string("a\0b", 3));
  EXPECT_EQ(error_of(command), "starting /bin/sh: an argument or a variable holds a zero byte");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no zombie is left
}

TEST(Process, HandsOverOnlyTheNamedDescriptors) {
  const FileDescriptor kept = open_file("/dev/null", O_RDONLY);
  const FileDescriptor leaky(::open("/dev/null", O_RDONLY));  // NOLINT: without O_CLOEXEC on purpose
  Command command = shell("for n in /proc/self/fd/*; do readlink -q $n && echo ${n##*/}; done; true");
  command.inherited = {kept.get()};
  const std::string output = run_and_capture(command).output;
  EXPECT_NE(output.find("/dev/null\n" + std::to_string(kept.get()) + "\n"), std::string::npos) << output;
  EXPECT_EQ(output.find("\n" + std::to_string(leaky.get()) + "\n"), std::string::npos) << output;
}

TEST(Process, SwapsStandardDescriptors) {
  Command command = shell("echo to output; echo to error >&2");
  const TemporaryDirectory folder;
  const FileDescriptor output = open_file(folder.path() / "output", O_WRONLY | O_CREAT);
  const FileDescriptor error = open_file(folder.path() / "error", O_WRONLY | O_CREAT);
  command.standard_output = error.get();
  command.standard_error = output.get();
  EXPECT_TRUE(Process::start(command).wait().succeeded());
  EXPECT_EQ(read_file(folder.path() / "output"), "to error\n");
  EXPECT_EQ(read_file(folder.path() / "error"), "to output\n");
}

TEST(Process, StartsWithDefaultSignals) {
  sigset_t some, before;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &some, &before);
  ::signal(SIGPIPE, SIG_IGN);
  const std::string output = run_and_capture(shell("grep -E 'Sig(Blk|Ign)' /proc/self/status")).output;
  ::signal(SIGPIPE, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const auto mask_of = [&output](const std::string& name) {
    return std::stoull(output.substr(output.find(name) + name.size()), nullptr, 16);
  };
  // Signals 32 and 33 are the C library's own: who started the tests may ignore them, and nobody can change
  // that.
  constexpr unsigned long long of_the_library = 0x180000000;
  EXPECT_EQ(mask_of("SigBlk:\t"), 0U);
  EXPECT_EQ(mask_of("SigIgn:\t") & ~of_the_library, 0U);
}

TEST(Process, PlacesItInASessionOrAGroup) {
  Command command = shell("exit 0");
  command.new_session = true;
  Process process = Process::start(command);
  EXPECT_EQ(::getsid(process.pid()), process.pid());
  process.wait();
  command.new_session = false;
  command.new_group = true;
  process = Process::start(command);
  EXPECT_EQ(::getpgid(process.pid()), process.pid());
  EXPECT_EQ(::getsid(process.pid()), ::getsid(0));
  process.wait();
}

TEST(Process, EndsWithTheThreadThatStartedIt) {
  Command command = shell("exec sleep 1000");
  command.signal_when_parent_ends = SIGKILL;
  std::optional<Process> process;
  std::thread([&] { process = Process::start(command); }).join();
  EXPECT_EQ(process->wait().signal, SIGKILL);
}

TEST(Process, GetsTheLimitOfOpenFilesThatItIsGiven) {
  const ManyOpenFiles many;
  ASSERT_GT(many.limit(), 123U);
  rlimit now{};
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, now.rlim_max);
  Command command = shell("ulimit -S -n");
  command.open_files = 123;
  EXPECT_EQ(run_and_capture(command).output, "123\n");
  command.open_files.reset();
  EXPECT_NE(run_and_capture(command).output, "123\n");
  many.put_back();
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, many.before());
}

TEST(Process, ManyThreadsStartAtOnce) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 10; ++round) {
        EXPECT_EQ(run_and_capture(shell("exit " + std::to_string(i))).ending.exit_code, i);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(Process, PollsAndSignals) {
  Process process = Process::start(shell("exec sleep 1000"));
  EXPECT_FALSE(process.poll().has_value());
  EXPECT_TRUE(process.send_signal(SIGTERM));
  EXPECT_EQ(process.wait().signal, SIGTERM);
  EXPECT_EQ(process.poll()->signal, SIGTERM);
  EXPECT_FALSE(process.send_signal(SIGTERM));
}

TEST(Process, FindsProgramsBesideItself) {
  const std::filesystem::path own = path_of_own_executable();
  EXPECT_EQ(own.filename(), "process_test");
  EXPECT_EQ(sibling_program("process_test"), own);
  try {
    sibling_program("no-such-program");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), "no program no-such-program in " + own.parent_path().string());
    EXPECT_NE(error.hint(), "");
  }
}

}  // namespace
}  // namespace mlpipe
