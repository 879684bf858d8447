// Remotes that are folders: of this process, of another one, of a volume in a cluster.
#include <csignal>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/claim_remote.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/pipe_remote.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// What is true of a folder, of this process or of another one.
void holds_bytes_once_and_records_by_name(const TemporaryDirectory& folder, std::unique_ptr<Remote> remote) {
  write_file_atomically(folder.path() / "file", "x");
  const RemoteBlob blob{digest_of("x"), 1};
  remote->put_blob(blob, folder.path() / "file");
  const fs::path there = folder.path() / "blobs/sha256" / digest_of("x").hex();
  const auto written = fs::last_write_time(there);
  remote->put_blob(blob, folder.path() / "file");
  EXPECT_EQ(fs::last_write_time(there), written);
  EXPECT_THROW(remote->put_blob({digest_of("y"), 1}, folder.path() / "file"), Error);
  EXPECT_EQ(std::distance(fs::directory_iterator(there.parent_path()), fs::directory_iterator()), 1);

  EXPECT_TRUE(remote->keys(10).keys.empty());
  EXPECT_FALSE(remote->get_record("result-1").has_value());
  for (const int number : {1, 2, 3}) {
    remote->put_record(result_record(digest_of(std::to_string(number))), {"rows", {blob}});
  }
  remote->put_record("job-1", {"other", {}});
  EXPECT_EQ(remote->keys(10).keys.size(), 3U);
  EXPECT_TRUE(remote->keys(3).complete);
  EXPECT_FALSE(remote->keys(2).complete);
  EXPECT_EQ(remote->get_record("job-1")->rows, "other");
  for (const char* name : {"", "../x", "a/b", "A", "-a", "1"}) {
    EXPECT_THROW(remote->put_record(name, {}), Error) << name;
    EXPECT_THROW(remote->get_record(name), Error) << name;
  }
}

TEST(DirectoryRemote, HoldsBytesOnceAndRecordsByName) {
  const TemporaryDirectory folder;
  holds_bytes_once_and_records_by_name(folder, open_remote("dir://" + folder.path().string(), {}));
  for (const char* url : {"dir://", "dir://relative", "dir:///a/../b"}) {
    EXPECT_THROW(open_remote(url, {}), UsageError) << url;
  }
}

class PipeTest : public testing::Test {
 protected:
  Command other_end(const std::string& program) const {
    Command command;
    command.arguments = {program, "pipe-remote", "dir://" + folder_.path().string()};
    command.environment = {{"TMPDIR", other_.path()}};
    return command;
  }
  TemporaryDirectory folder_;
  TemporaryDirectory other_;
};

TEST_F(PipeTest, IsTheFolderOfAnotherProcess) {
  holds_bytes_once_and_records_by_name(
      folder_, std::make_unique<PipeRemote>("it", [this] { return other_end(registry_program()); }));
}

TEST_F(PipeTest, BeginsAnewWhenItsOtherEndHasGone) {
  int starts = 0;
  PipeRemote remote("it", [&] {
    ++starts;
    return other_end(starts == 2 ? "/bin/false" : registry_program().string());
  });
  remote.put_record("job-1", {"rows", {}});
  EXPECT_THROW(remote.get_blob({digest_of("x"), 1}, other_.path() / "got"), Error);  // it is not there
  EXPECT_FALSE(fs::exists(other_.path() / "got"));
  EXPECT_EQ(remote.get_record("job-1")->rows, "rows");
  EXPECT_EQ(starts, 1);
  const RemoteBlob blob{digest_of("x"), 2};
  write_file_atomically(other_.path() / "x", "x");
  EXPECT_THROW(remote.put_blob(blob, other_.path() / "x"), Error);  // shorter than was said: it breaks off
  EXPECT_THROW(remote.get_record("job-1"), Unavailable);            // what is started then does not answer
  EXPECT_EQ(remote.get_record("job-1")->rows, "rows");
  EXPECT_EQ(starts, 3);
}

TEST_F(PipeTest, SurvivesAnEndThatIsKilledBetweenTwoRequests) {
  const fs::path pid = other_.path() / "pid";
  PipeRemote remote("it", [&] {
    Command command = other_end(registry_program());
    const std::vector<std::string> shell = {"/bin/sh", "-c", "echo $$ > " + pid.string() + "; exec \"$@\"",
                                            "sh"};
    command.arguments.insert(command.arguments.begin(), shell.begin(), shell.end());
    return command;
  });
  remote.put_record("job-1", {"rows", {}});
  const pid_t other = std::stoi(read_file(pid));
  ::kill(other, SIGKILL);
  wait_until("it has gone", [&] { return !process_runs(other); });
  EXPECT_THROW(remote.put_record("job-2", {"rows", {}}), Unavailable);
  EXPECT_EQ(remote.get_record("job-1")->rows, "rows");
}

TEST(ClaimRemote, IsNamedByItsUrl) {
  EXPECT_EQ(parse_claim_url("pvc://claim").folder, "");
  EXPECT_EQ(parse_claim_url("pvc://claim/").folder, "");
  EXPECT_EQ(parse_claim_url("pvc://my-claim/a/b_c/").folder, "a/b_c");
  EXPECT_EQ(parse_claim_url("pvc://my-claim/a").claim, "my-claim");
  for (const char* url :
       {"pvc://", "pvc:///a", "pvc://A", "pvc://-a", "pvc://a/../b", "pvc://a//b", "pvc://a/b c"}) {
    EXPECT_THROW(parse_claim_url(url), UsageError) << url;
  }
}

TEST(ClaimRemote, IsAFolderWhereThatIsMounted) {
  const TemporaryDirectory folder;
  const auto remote = open_remote("pvc://claim/results", {{"MLPIPE_REMOTE_DIR", folder.path()}});
  remote->put_record("job-1", {"rows", {}});
  EXPECT_TRUE(fs::exists(folder.path() / "results/records/job-1"));
}

}  // namespace
}  // namespace mlpipe
