#include "pipeline/agent/job.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

TEST(Job, IsReadAsItWasWritten) {
  const TemporaryDirectory folder;
  Job job;
  job.arguments = {"program", "", "two words", "\"quoted\"\n", "ünï"};
  job.environment = {{"A", "1"}, {"EMPTY", ""}};
  job.work_directory = "/some/where";
  job.timeout = 1500ms;
  job.grace = 7s;
  job.keep_running = true;
  job.must_get_ready = true;
  job.listen = {{"http", "127.0.0.1", 8080}, {"admin", "::1", 0}};
  job.ready_file = "/some/ready";
  job.ready_timeout = 3s;
  JobContainer& container = job.container.emplace();
  container.engine_program = "/usr/bin/podman";
  container.run = {EngineKind::podman,
                   "sha256:3f",
                   "name",
                   {{"label", "value"}},
                   {{"/from", "/to", true}},
                   "7:8",
                   true,
                   true,
                   1,
                   2,
                   3,
                   {"0", "GPU-1"},
                   {}};
  write_job(folder.path(), job);
  const Job read = read_job(folder.path());
  EXPECT_EQ(read.arguments, job.arguments);
  EXPECT_EQ(read.environment, job.environment);
  EXPECT_EQ(read.work_directory, job.work_directory);
  EXPECT_EQ(read.timeout, job.timeout);
  EXPECT_EQ(read.grace, job.grace);
  EXPECT_EQ(read.keep_running, job.keep_running);
  EXPECT_EQ(read.must_get_ready, job.must_get_ready);
  EXPECT_EQ(read.listen, job.listen);
  EXPECT_EQ(read.ready_file, job.ready_file);
  EXPECT_EQ(read.ready_timeout, job.ready_timeout);
  EXPECT_EQ(read.container, job.container);
}

TEST(Job, IsRefusedWhenJsonCannotHoldIt) {
  const TemporaryDirectory folder;
  Job job;
  job.arguments = {"\xff"};
  job.work_directory = "/";
  EXPECT_THROW(write_job(folder.path(), job), Error);
  job.arguments = {"program"};
  job.work_directory = "relative";
  write_job(folder.path(), job);
  EXPECT_THROW(read_job(folder.path()), Error);
}

TEST(Ending, IsReadAsItWasWritten) {
  const TemporaryDirectory folder;
  EXPECT_FALSE(read_ending(folder.path()).has_value());
  Ending ending;
  ending.exit_code = 3;
  ending.signal = 2;
  ending.timed_out = true;
  ending.timeout = 20ms;
  ending.cancelled = true;
  ending.failure = "because \xff";
  ending.out_of_memory = true;
  ending.memory_limit = std::uint64_t{1} << 50U;
  ending.started = std::chrono::system_clock::time_point(1234567us);
  ending.finished = ending.started + 5s;
  ending.peak_memory_bytes = std::uint64_t{1} << 40U;
  write_ending(folder.path(), ending);
  const Ending read = read_ending(folder.path()).value();
  EXPECT_EQ(read.exit_code, 3);
  EXPECT_EQ(read.signal, 2);
  EXPECT_TRUE(read.timed_out && read.cancelled);
  EXPECT_EQ(read.timeout, 20ms);
  EXPECT_EQ(read.failure, "because \xef\xbf\xbd");
  EXPECT_TRUE(read.out_of_memory);
  EXPECT_EQ(read.memory_limit, ending.memory_limit);
  EXPECT_EQ(read.started, ending.started);
  EXPECT_EQ(read.finished, ending.finished);
  EXPECT_EQ(read.peak_memory_bytes, ending.peak_memory_bytes);
  write_file_atomically(folder.path() / "exit.json", "{}");
  EXPECT_THROW(read_ending(folder.path()), Error);
}

TEST(Ending, IsDescribed) {
  Ending ending;
  ending.exit_code = 3;
  EXPECT_EQ(describe(ending), "exit status 3");
  ending.exit_code = -1;
  ending.signal = 9;
  EXPECT_EQ(describe(ending), "killed by signal 9 (Killed)");
  ending.out_of_memory = true;
  EXPECT_EQ(describe(ending), "out of memory: the machine had no more");
  ending.memory_limit = std::uint64_t{512} << 20U;
  EXPECT_EQ(describe(ending), "out of memory: it had 512.0 MiB");
  ending.timed_out = true;
  ending.timeout = 2s;
  EXPECT_EQ(describe(ending), "timed out after 2.0 s");
  ending.timed_out = false;
  ending.cancelled = true;
  EXPECT_EQ(describe(ending), "cancelled");
  ending.failure = "no reason";
  EXPECT_EQ(describe(ending), "could not start: no reason");
}

class ProgressTest : public testing::Test {
 protected:
  std::optional<Progress> read(const std::string& text) {
    write_file_atomically(folder_.path() / "progress", text);
    return read_progress(folder_.path());
  }
  TemporaryDirectory folder_;
};

TEST_F(ProgressTest, IsTheLastWholeLine) {
  EXPECT_FALSE(read_progress(folder_.path()).has_value());
  EXPECT_FALSE(read("").has_value());
  const Progress progress = read(R"({"done": 1}
{"done": 3, "total": 12, "unit": "epoch", "text": "loss 0.1", "rate": 90.5, "rate_unit": "samples/s", "seconds_left": 4}
{"done": 4, "tot)")
                                .value();
  EXPECT_EQ(progress.done, 3);
  EXPECT_EQ(progress.total, 12);
  EXPECT_EQ(progress.unit, "epoch");
  EXPECT_EQ(progress.text, "loss 0.1");
  EXPECT_EQ(progress.rate, 90.5);
  EXPECT_EQ(progress.rate_unit, "samples/s");
  EXPECT_EQ(progress.seconds_left, 4);
}

TEST_F(ProgressTest, PassesOverWhatMakesNoSense) {
  EXPECT_EQ(read("{\"done\": 2}\n\xff\xfe\n[1]\n{\"done\": \"many\"}\n{}\n\n{\"done\": 1e999}\n")->done, 2);
  EXPECT_EQ(read("{\"done\": 2, \"text\": 7, \"rate\": null}\n")->text, "");
  EXPECT_FALSE(read("no\nJSON\nat all\n").has_value());
  EXPECT_EQ(read(std::string(1U << 20U, 'x') + "\n{\"done\": 5}\n")->done, 5);
  std::filesystem::remove(folder_.path() / "progress");
  std::filesystem::create_directory(folder_.path() / "progress");
  EXPECT_FALSE(read_progress(folder_.path()).has_value());
}

TEST_F(ProgressTest, FloodOfBracketsIsNoProgress) {
  EXPECT_FALSE(read(std::string(60'000, '[') + "\n").has_value());
}

TEST(JobFiles, NumbersThatDoNotFitAreRefused) {
  const TemporaryDirectory folder;
  const auto spoil = [&](const char* file, const std::string& from, const std::string& to) {
    std::string text = read_file(folder.path() / file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write_file_atomically(folder.path() / file, text.replace(at, from.size(), to));
  };
  Job job;
  job.arguments = {"true"};
  job.work_directory = "/";
  job.listen = {{"public", "127.0.0.1", 80}};
  for (const auto& [from, to] : {std::pair{"\"port\": 80", "\"port\": 65536"},
                                 {"\"port\": 80", "\"port\": 1e300"},
                                 {"\"grace_ms\": 10000", "\"grace_ms\": 9223372036854775807"},
                                 {"\"grace_ms\": 10000", "\"grace_ms\": -1"}}) {
    write_job(folder.path(), job);
    spoil("job.json", from, to);
    EXPECT_THROW(read_job(folder.path()), Error) << to;
  }
  for (const auto& [from, to] : {std::pair{"\"started_us\": 0", "\"started_us\": 9223372036854775807"},
                                 {"\"signal\": 0", "\"signal\": 2147483648"},
                                 {"\"peak_memory_bytes\": 0", "\"peak_memory_bytes\": -1.5"}}) {
    write_ending(folder.path(), Ending{});
    spoil("exit.json", from, to);
    EXPECT_THROW(read_ending(folder.path()), Error) << to;
  }
}

}  // namespace
}  // namespace mlpipe
