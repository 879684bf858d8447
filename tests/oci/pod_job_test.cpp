// A step's job travels to a pod and back: the real programs, in folders of this machine in place of a pod's.
#include <sys/stat.h>

#include <csignal>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/oci/job_records.hpp"
#include "pipeline/oci/pipe_remote.hpp"
#include "pipeline/oci/pod_job.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* job_name = "mlpipe-3f2a-0";
constexpr const char* checkpoint = "checkpoint-3f2a";

void write(const fs::path& path, const std::string& text, mode_t mode = 0644) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, text, mode);
}
mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

// As the first process of a container does from its beginning.
bool heeds_no_sigterm(pid_t process) {
  const auto status = read_file_if_exists(fmt::format("/proc/{}/status", process)).value_or("");
  const std::size_t at = status.find("SigBlk:");
  return at != std::string::npos &&
         (std::stoull(status.substr(at + 7), nullptr, 16) & (1U << (SIGTERM - 1U))) != 0;
}

// Where the records are.
struct Place {
  enum class Kind { registry, folder, pipe };  // the latter: a folder that is reached through another process
  const char* name;
  Kind kind;
};
void PrintTo(const Place& place, std::ostream* stream) {
  *stream << place.name;
}

class PodJob : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (GetParam().kind == Place::Kind::registry && !RealRegistry::is_there()) {
      GTEST_SKIP() << "docker-registry is not there";
    }
    if (GetParam().kind == Place::Kind::registry) {
      registry_.emplace();
    }
    fs::create_directories(here() / "work");
    fs::create_directories(pod());
    fs::create_directories(root_.path() / "remote");
  }

  std::string url() const {
    return registry_ ? "oci://" + registry_->name() + "/team/results"
                     : "dir://" + (root_.path() / "remote").string();
  }
  std::unique_ptr<Remote> remote() const {
    if (GetParam().kind == Place::Kind::pipe) {
      return std::make_unique<PipeRemote>("the other process", [this] { return other_process(); });
    }
    return open_remote(url(), own_environment());
  }
  Command other_process() const {
    Command command;
    command.arguments = {registry_program(), "pipe-remote", url()};
    command.environment = {{"TMPDIR", root_.path()}};
    return command;
  }
  fs::path here() const { return root_.path() / "job"; }
  fs::path pod() const { return root_.path() / pod_name_; }
  fs::path side(const std::string& name) const { return root_.path() / name; }
  // What follows happens in another one.
  void enter_new_pod(const std::string& name) {
    pod_name_ = name;
    fs::create_directories(pod());
  }

  void send(const std::string& script, const PodOrder& more = {}) {
    Job job;
    job.arguments = {"/bin/sh", "-e", "-c", script};
    job.environment = {{"PATH", "/usr/bin:/bin"}, {"CHECKPOINTS", (pod() / "checkpoints").string()}};
    job.work_directory = pod() / "work";
    job.nodes = more.nodes;
    write_job(here(), job);
    PodOrder order = more;
    order.name = "mlpipe-3f2a";
    write_pod_order(here(), order);
    send_job(*remote(), job_name, order, here(), checkpoint);
  }

  Captured bring() const { return run({registry_program(), "pod-bring", url(), job_name, pod().string()}); }
  Background start_agent(const Environment& more = {}) const {
    Command command;
    command.arguments = {(pod() / ".agent" / "mlpipe-agent").string(), "--pod", pod().string()};
    command.environment = more;
    return Background(command, pod() / "printed");
  }
  Background start_record(const Environment& more = {}) const {
    Command command;
    command.arguments = {registry_program(), "pod-record", url(), job_name, pod().string()};
    command.environment = own_environment();
    command.environment->insert(more.begin(), more.end());
    return Background(command, side("record-" + pod_name_));
  }
  // The whole of a pod; returns the exit status of the job's container.
  int run_pod(const Environment& more = {}) const {
    const Captured brought = bring();
    EXPECT_TRUE(brought.ending.succeeded()) << brought.error;
    Background agent = start_agent(more);
    Background record = start_record(more);
    const int status = agent.wait().ending.exit_code;
    const Captured recorded = record.wait();
    EXPECT_EQ(recorded.ending.exit_code, 0) << recorded.error;
    return status;
  }
  Made collect(int nodes = 1) const {
    const Made seen = look_at_made(*remote(), job_name, nodes);
    const Made made = collect_job(*remote(), job_name, nodes, here());
    EXPECT_EQ(seen, made);
    return made;
  }
  Ending ending() const { return read_ending(here()).value(); }
  std::string log() const { return read_file(here() / "log"); }

  static Captured run(std::vector<std::string> arguments) {
    Command command;
    command.arguments = std::move(arguments);
    return run_and_capture(command);
  }

 private:
  TemporaryDirectory root_;
  std::string pod_name_ = "pod";
  std::optional<RealRegistry> registry_;
};

TEST_P(PodJob, TravelsThereAndBack) {
  write(here() / "work" / "src" / "tool", "#!/bin/sh\necho made by a tool\n", 0755);
  write(here() / "work" / "nothing", "");
  write(side("store/blob"), "bytes", 0444);
  write(side("store/tree/a/b"), "deep");
  write(side("store/tree/run"), "#!/bin/sh\necho input runs\n", 0555);
  fs::create_directories(side("store/tree/empty"));
  PodOrder order;
  order.inputs = {{"inputs/first/blob", side("store/blob"), false},
                  {"inputs/second/tree", side("store/tree"), true}};
  order.outs = {"model", "report.json"};
  send(R"sh(
    test "$(cat inputs/first/blob)" = bytes
    test -d inputs/second/tree/empty
    test -e nothing
    inputs/second/tree/run
    mkdir -p model/sub/empty; src/tool > model/sub/words; printf '#!/bin/sh\n' > model/go; chmod +x model/go
    : > model/nothing; head -c 3000000 /dev/zero > model/zeros; ln -s sub/words model/link
    mkfifo model/pipe; ln -s /etc/passwd model/out
    echo '{"a": 1}' > report.json
    touch undeclared)sh",
       order);
  ASSERT_TRUE(bring().ending.succeeded());
  for (const char* input : {"first/blob", "second/tree/a/b"}) {
    EXPECT_EQ(mode_of(pod() / "work/inputs" / input), 0444U) << input;
  }
  for (const char* input : {"second/tree/run", "second/tree/a", "second/tree"}) {
    EXPECT_EQ(mode_of(pod() / "work/inputs" / input), 0555U) << input;
  }
  EXPECT_EQ(mode_of(pod() / "work/src/tool"), 0755U);
  EXPECT_EQ(mode_of(pod() / ".agent/mlpipe-agent"), 0555U);
  for (const char* folder : {"home", "tmp", "checkpoints"}) {
    EXPECT_TRUE(fs::is_directory(pod() / folder)) << folder;
  }

  EXPECT_EQ(run_pod(), 0);  // also where a bring was before
  EXPECT_EQ(collect(), Made::succeeded);
  EXPECT_TRUE(ending().succeeded());
  EXPECT_GT(ending().peak_memory_bytes, 0U);
  EXPECT_EQ(log(), "input runs\n");
  EXPECT_EQ(read_file(pod() / "printed/output"), "input runs\n");
  const fs::path model = here() / "work/model";
  EXPECT_EQ(read_file(model / "sub/words"), "made by a tool\n");
  EXPECT_TRUE(fs::is_directory(model / "sub/empty"));
  EXPECT_EQ(mode_of(model / "go"), 0755U);
  EXPECT_EQ(mode_of(model / "sub/words"), 0644U);
  EXPECT_EQ(fs::file_size(model / "nothing"), 0U);
  EXPECT_EQ(read_file(model / "zeros"), std::string(3'000'000, '\0'));
  EXPECT_EQ(fs::read_symlink(model / "link"), "sub/words");
  // What no output may be is there, and is not what it was.
  EXPECT_TRUE(fs::is_fifo(model / "pipe"));
  EXPECT_TRUE(fs::is_fifo(model / "out"));
  EXPECT_EQ(read_file(here() / "work/report.json"), "{\"a\": 1}\n");
  EXPECT_FALSE(fs::exists(here() / "work/undeclared"));
  EXPECT_EQ(collect(), Made::succeeded);  // once more, by another mlpipe
  EXPECT_EQ(fs::read_symlink(model / "link"), "sub/words");
}

TEST_P(PodJob, FailsWithItsLog) {
  PodOrder order;
  order.outs = {"out"};
  send("echo half > out; echo ill; exit 3", order);
  EXPECT_EQ(collect(), Made::nothing);
  EXPECT_FALSE(fs::exists(here() / "exit.json"));
  EXPECT_EQ(run_pod(), 1);
  EXPECT_EQ(collect(), Made::failed);
  EXPECT_EQ(ending().exit_code, 3);
  EXPECT_EQ(log(), "ill\n");
  EXPECT_FALSE(fs::exists(here() / "work/out"));
}

TEST_P(PodJob, GoesOnWhereAPodWasToldToEnd) {
  PodOrder order;
  order.outs = {"out"};
  send(R"(
    if test -e "$CHECKPOINTS/deep/step"; then cat "$CHECKPOINTS/deep/step" > out; exit 0; fi
    trap 'mkdir "$CHECKPOINTS/deep"; echo 7 > "$CHECKPOINTS/deep/step"; ln -s deep/step "$CHECKPOINTS/last"; exit 0' TERM
    echo up > up; while :; do sleep 0.01; done)",
       order);
  ASSERT_TRUE(bring().ending.succeeded());
  {
    Background agent = start_agent();
    Background record = start_record();
    wait_until("the job runs",
               [&] { return fs::exists(pod() / "work/up") && heeds_no_sigterm(record.pid()); });
    agent.signal(SIGTERM);
    record.signal(SIGTERM);
    EXPECT_EQ(agent.wait().ending.exit_code, 143);
    EXPECT_EQ(record.wait().ending.exit_code, 0);
  }
  EXPECT_EQ(collect(), Made::nothing);
  EXPECT_EQ(run_pod(), 0);
  EXPECT_EQ(fs::read_symlink(pod() / "checkpoints/last"), "deep/step");
  EXPECT_EQ(collect(), Made::succeeded);
  EXPECT_EQ(read_file(here() / "work/out"), "7\n");
  // What has a result has no checkpoint.
  EXPECT_TRUE(get_checkpoint(*remote(), checkpoint).empty());
  ASSERT_TRUE(bring().ending.succeeded());
  EXPECT_TRUE(fs::is_empty(pod() / "checkpoints"));
}

TEST_P(PodJob, KeepsTheCheckpointOfOneThatFailed) {
  send("echo 3 > $CHECKPOINTS/step; exit 1");
  EXPECT_EQ(run_pod(), 1);
  ASSERT_TRUE(bring().ending.succeeded());
  EXPECT_EQ(read_file(pod() / "checkpoints/step"), "3\n");
  PodOrder order;
  order.anew = true;
  send("true", order);
  ASSERT_TRUE(bring().ending.succeeded());
  EXPECT_TRUE(fs::is_empty(pod() / "checkpoints"));
}

TEST_P(PodJob, TellsHowItEndedWithoutACheckpointThatIsNone) {
  send("cd $CHECKPOINTS; for i in $(seq 150); do mkdir d; cd d; done; exit 4");
  EXPECT_EQ(run_pod(), 1);
  EXPECT_EQ(collect(), Made::failed);
  EXPECT_EQ(ending().exit_code, 4);
  EXPECT_TRUE(get_checkpoint(*remote(), checkpoint).empty());
}

TEST_P(PodJob, SendsCheckpointsWhileItRuns) {
  send("echo 1 > $CHECKPOINTS/step; echo up > up; while ! test -e go; do sleep 0.01; done; kill -9 $$");
  ASSERT_TRUE(bring().ending.succeeded());
  Background agent = start_agent();
  std::thread record(
      [&] { EXPECT_EQ(record_job(*remote(), job_name, pod(), 0, std::chrono::milliseconds(10)), 0); });
  const auto there = remote();
  const auto step = [&] {
    const FileListing files = get_checkpoint(*there, checkpoint);
    return files.size() == 2 ? files[1].digest : Digest();
  };
  wait_until("the first checkpoint", [&] { return step() == digest_of("1\n"); });
  write_file_atomically(pod() / "checkpoints/step", "2\n");
  wait_until("the next checkpoint", [&] { return step() == digest_of("2\n"); });
  write(pod() / "work/go", "");
  agent.wait();
  record.join();
  EXPECT_EQ(collect(), Made::failed);
  EXPECT_EQ(ending().signal, SIGKILL);
}

TEST_P(PodJob, IsRecordedAsKilledWhenItsAgentWas) {
  send("echo words; echo up > up; exec sleep 600");
  ASSERT_TRUE(bring().ending.succeeded());
  Background agent = start_agent();
  Background record = start_record();
  wait_until("the job runs",
             [&] { return fs::exists(pod() / "work/up") && read_file(pod() / "log") == "words\n"; });
  agent.signal(SIGKILL);
  EXPECT_EQ(record.wait().ending.exit_code, 0);
  EXPECT_EQ(collect(), Made::failed);
  EXPECT_EQ(ending().signal, SIGKILL);
  EXPECT_LE(ending().started, ending().finished);
  EXPECT_EQ(log(), "words\n");
}

TEST_P(PodJob, NeedNotBegin) {
  send("true");
  ASSERT_TRUE(bring().ending.succeeded());
  Background record = start_record();
  wait_until("it waits", [&] { return heeds_no_sigterm(record.pid()); });
  record.signal(SIGTERM);
  EXPECT_EQ(record.wait().ending.exit_code, 143);
  EXPECT_EQ(collect(), Made::nothing);
}

TEST_P(PodJob, OfSeveralNodesSucceedsWhenAllHave) {
  PodOrder order;
  order.nodes = 2;
  order.outs = {"out"};
  send("echo node $NODE_RANK; echo of $NODE_RANK > out", order);
  const auto node = [](const std::string& index) {
    return Environment{
        {"MLPIPE_NODES", "2"}, {"MLPIPE_MASTER_ADDR", "first"}, {"JOB_COMPLETION_INDEX", index}};
  };
  EXPECT_EQ(run_pod(node("1")), 0);
  EXPECT_EQ(collect(2), Made::nothing);
  EXPECT_EQ(run_pod(node("0")), 0);
  EXPECT_EQ(collect(2), Made::succeeded);
  EXPECT_EQ(log(), "[0] node 0\n[1] node 1\n");
  EXPECT_EQ(read_file(here() / "work/out"), "of 0\n");
}

TEST_P(PodJob, OfSeveralNodesFailsAsTheFirstThatDid) {
  PodOrder order;
  order.nodes = 3;
  send("echo node $NODE_RANK; exit $((NODE_RANK + 5))", order);
  for (const char* index : {"2", "0"}) {
    EXPECT_EQ(run_pod({{"MLPIPE_NODES", "3"}, {"MLPIPE_MASTER_ADDR", "x"}, {"JOB_COMPLETION_INDEX", index}}),
              1);
  }
  EXPECT_EQ(collect(3), Made::failed);
  EXPECT_EQ(ending().exit_code, 7);
  EXPECT_NE(log().find("[2] node 2\n"), std::string::npos);
  EXPECT_LT(log().find("[2] node 2\n"), log().find("[0] node 0\n"));
}

// What the job's container writes is read beside it, where credentials are: no link leads there.
TEST_P(PodJob, ReadsNothingButTheJobsOwnFolder) {
  write(side("secret"), "hunter2");
  PodOrder order;
  order.outs = {"link", "folder/secret", "tree"};
  send("ln -s " + side("secret").string() + " link; ln -s " + side("").string() +
           " folder; mkdir tree; ln -s " + side("secret").string() + " tree/link; rm ../log; ln -s " +
           side("secret").string() + " ../log",
       order);
  EXPECT_EQ(run_pod(), 0);
  EXPECT_EQ(collect(), Made::succeeded);
  EXPECT_EQ(log(), "");
  EXPECT_TRUE(fs::is_fifo(here() / "work/link"));
  EXPECT_FALSE(fs::exists(here() / "work/folder/secret"));
  EXPECT_TRUE(fs::is_fifo(here() / "work/tree/link"));
}

nlohmann::json listed(const std::string& path, const nlohmann::json& more = {}) {
  nlohmann::json item = {
      {"path", path}, {"kind", "file"}, {"digest", "sha256:" + digest_of("x").hex()}, {"size", 1}};
  item.update(more.is_null() ? nlohmann::json::object() : more);
  return item;
}

TEST_P(PodJob, BringsNothingFromOutsideOfItsFolder) {
  const auto there = remote();
  write(side("x"), "x");
  there->put_blob({digest_of("x"), 1}, side("x"));
  const nlohmann::json link = {{"kind", "link"}};
  const auto to = [](const std::string& target) {
    return nlohmann::json{{"kind", "link"}, {"target", target}};
  };
  const std::vector<nlohmann::json> hostile = {
      {listed("/tmp/mlpipe-hostile")},
      {listed("../hostile")},
      {listed("work/../../hostile")},
      {listed("work//x")},
      {listed("work/.")},
      {listed("")},
      {listed(".agent/mlpipe-agent")},
      {listed("exit.json")},
      {listed("worked")},
      {listed("work/a"), listed("work/a")},
      {listed("work/a"), listed("work/a/b")},
      {listed("work/a", to("..")), listed("work/a/b")},
      {listed("work/a", to("/etc"))},
      {listed("work/a", to("../.."))},
      {listed("work/a", to("b/../../.."))},
      {listed("work/a", link)},
      {listed("work/a", {{"kind", "device"}})},
      {listed("work/a", {{"digest", "sha256:../x"}})},
      {listed("work/a", {{"size", -1}})},
      {listed("work/a", {{"size", 2}})},
      {listed("work/a", {{"digest", "sha256:" + digest_of("y").hex()}})},
      {7},
  };
  for (const nlohmann::json& files : hostile) {
    const nlohmann::json document = {
        {"mlpipe-job", 1}, {"files", files}, {"outs", nlohmann::json::array()}, {"checkpoint", checkpoint}};
    there->put_record("job-" + std::string(job_name), {document.dump(), {{digest_of("x"), 1}}});
    const Captured brought = bring();
    EXPECT_EQ(brought.ending.exit_code, 1) << files << brought.error;
    EXPECT_FALSE(fs::exists(side("hostile")) || fs::exists("/tmp/mlpipe-hostile")) << files;
    EXPECT_FALSE(fs::exists(pod() / ".agent")) << files;
  }
}

TEST_P(PodJob, CollectsNothingButItsOuts) {
  const auto there = remote();
  PodOrder order;
  order.outs = {"out"};
  send("true", order);
  write(side("x"), "x");
  there->put_blob({digest_of("x"), 1}, side("x"));
  const nlohmann::json log = {{"digest", "sha256:" + digest_of("x").hex()}, {"size", 1}};
  Ending succeeded;
  succeeded.exit_code = 0;
  write_ending(side(""), succeeded);
  const auto ending = nlohmann::json::parse(read_file(side("exit.json")));
  const auto put = [&](const nlohmann::json& document) {
    there->put_record("made-" + std::string(job_name) + "-0", {document.dump(), {{digest_of("x"), 1}}});
  };
  for (const std::string path : {"../job.json", "other", "outer", "out/../x"}) {
    put({{"mlpipe-made", 1}, {"ending", ending}, {"log", log}, {"files", {listed(path)}}});
    EXPECT_THROW(collect(), Error) << path;
  }
  put({{"mlpipe-made", 2}, {"ending", ending}, {"log", log}, {"files", nlohmann::json::array()}});
  EXPECT_THROW(collect(), Error);
  put({{"mlpipe-made", 1}, {"ending", {{"exit_code", 0}}}, {"log", log}, {"files", nlohmann::json::array()}});
  EXPECT_THROW(collect(), Error);
  EXPECT_FALSE(fs::exists(here() / "exit.json"));
  put({{"mlpipe-made", 1}, {"ending", ending}, {"log", log}, {"files", {listed("out")}}});
  EXPECT_EQ(collect(), Made::succeeded);
  EXPECT_EQ(log.at("size"), 1);
}

TEST_P(PodJob, BeginsWithoutACheckpointThatIsDamaged) {
  send("true");
  const auto there = remote();
  for (const nlohmann::json& files : std::vector<nlohmann::json>{{listed("work/x")}, {listed("../x")}, {7}}) {
    const nlohmann::json document = {{"mlpipe-checkpoint", 1}, {"files", files}};
    there->put_record(checkpoint, {document.dump(), {}});
    const Captured brought = bring();
    EXPECT_TRUE(brought.ending.succeeded()) << brought.error;
    EXPECT_TRUE(has(brought.error, "the job begins without its checkpoint"));
    EXPECT_TRUE(fs::is_empty(pod() / "checkpoints"));
    EXPECT_FALSE(fs::exists(pod() / "work/x"));
  }
}

TEST_P(PodJob, IsToldApartFromOneThatNobodySent) {
  for (const char* program : {"pod-bring", "pod-record"}) {
    const Captured captured = run({registry_program(), program, url(), job_name, pod().string()});
    EXPECT_EQ(captured.ending.exit_code, 2);
    EXPECT_TRUE(has(captured.error, "the remote has no job mlpipe-3f2a-0"));
  }
}

INSTANTIATE_TEST_SUITE_P(Places, PodJob,
                         testing::Values(Place{"oci", Place::Kind::registry},
                                         Place{"dir", Place::Kind::folder}, Place{"pipe", Place::Kind::pipe}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace mlpipe
