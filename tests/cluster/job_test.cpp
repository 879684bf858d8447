// What a job can rely on, as in tests/containers/job_test.cpp, when it runs on Kubernetes; and what only
// Kubernetes does with it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tests/cluster/kubernetes_jobs.hpp"
#include "tests/cluster/relay.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class KubernetesJob : public KubernetesJobTest {};

TEST_F(KubernetesJob, TellsHowTheProgramEnded) {
  const Ending ended = run(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(describe(ended), "exit status 3");
  EXPECT_EQ(log(), "out\nerr\n");
  EXPECT_LE(ended.started, ended.finished);
  EXPECT_GT(ended.peak_memory_bytes, 0U);
  PodOrder next = order();
  next.number = 1;
  start(shell("kill -SEGV $$"), next);
  EXPECT_EQ(describe(ending()), "killed by signal 11 (Segmentation fault)");
}

TEST_F(KubernetesJob, BringsWhatItDeclaresAndGetsWhatItMakes) {
  PodOrder bringing = order();
  const fs::path input = directory().parent_path() / "input";
  fs::create_directories(input / "sub");
  write_file_atomically(input / "sub" / "data", "the data");
  bringing.inputs = {{"inputs/before/out", input, true}};
  bringing.outs = {"made", "folder"};
  prepare(shell(""), bringing);
  write_file_atomically(work("script"), "cat inputs/before/out/sub/data", 0755);
  start(shell("pwd; id -u; ./script > made; mkdir folder; echo in > folder/file;"
              "! sh -c ': > inputs/before/out/sub/data' 2> /dev/null"),
        bringing);
  const Ending ended = ending();
  EXPECT_TRUE(ended.succeeded()) << describe(ended) << log();
  EXPECT_TRUE(has(log(), "/mlpipe/work\n65532\n"));
  EXPECT_EQ(read_file(work("made")), "the data");
  EXPECT_EQ(read_file(work("folder/file")), "in\n");
}

TEST_F(KubernetesJob, TellsOfItsProgressAndItsLogWhileItRuns) {
  start(waiting_job("echo two"));
  wait_for_log("up\n");
  EXPECT_FALSE(fs::exists(directory() / "exit.json"));
  cluster().ask({"exec", pod(job_name()), "--container=job", "--", "sh", "-c",
                 "echo '{\"done\": 3, \"total\": 7}' >> /mlpipe/progress"});
  wait_until("there is progress", [this] {
    const auto progress = read_progress(directory());
    return progress && progress->done == 3;
  });
  touch_in_pod("go");
  EXPECT_TRUE(ending().succeeded());
  EXPECT_EQ(log(), "up\ntwo\n");
}

TEST_F(KubernetesJob, TimesOut) {
  Job slow = shell("echo up; sleep 1000");
  slow.timeout = 500ms;
  const Ending ended = run(slow);
  EXPECT_TRUE(ended.timed_out) << describe(ended);
  EXPECT_EQ(ended.timeout, 500ms);
}

TEST_F(KubernetesJob, IsCancelledByItsControl) {
  start(shell("trap 'echo saved; exit 143' TERM; echo up; while :; do sleep 0.01; done"));
  wait_for_log("up\n");
  EXPECT_TRUE(cancel_job(directory()));
  EXPECT_TRUE(ending().cancelled);
  EXPECT_TRUE(has(log(), "up\n"));
  EXPECT_TRUE(jobs().empty());
  EXPECT_FALSE(cancel_job(directory()));
}

TEST_F(KubernetesJob, IsCancelledFromTheFirstMoment) {
  start(shell("sleep 1000"));
  wait_until("somebody listens", [this] { return cancel_job(directory()); });
  EXPECT_TRUE(ending().cancelled);
  EXPECT_TRUE(jobs().empty());
}

TEST_F(KubernetesJob, GetsItsSecretsThroughNoFile) {
  Job secret = shell(
      "test \"$TOKEN\" = \"$(printf 's3''cr3t\\nvalue')\" && test \"$PASSWORD\" = hidden && echo equal");
  secret.secret_variables = {"TOKEN", "PASSWORD"};
  secrets_ = {{"TOKEN", "s3cr3t\nvalue"}};
  cluster().ask({"create", "secret", "generic", "training", "--from-literal=db.password=hidden"});
  access_.secrets = "training";
  PodOrder with_secret = order();
  with_secret.cluster_secrets = {{"PASSWORD", "db.password"}};
  start(secret, with_secret);
  EXPECT_TRUE(ending().succeeded()) << log();
  EXPECT_EQ(log(), "equal\n");
  EXPECT_TRUE(has_not(jobs().dump(), "s3cr3t"));
  // It goes with the Job.
  const Json made = cluster().get({"secret", job_name()});
  EXPECT_EQ(made["metadata"]["ownerReferences"][0]["kind"], "Job");
  for (const auto& entry : fs::recursive_directory_iterator(directory())) {
    if (entry.is_regular_file()) {
      EXPECT_TRUE(has_not(read_file(entry.path()), "s3cr3t")) << entry.path();
    }
  }
}

TEST_F(KubernetesJob, OutlivesWhoStartedItAndIsTakenUp) {
  const Job job = waiting_job("echo made > made");
  PodOrder making = order();
  making.outs = {"made"};
  prepare(job, making);
  const pid_t caller = ::fork();
  if (caller == 0) {
    start(job, making);
    wait_for_log("up\n");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(caller, &status, 0), caller);
  fs::remove(directory() / "log");
  start(job, making);
  wait_for_log("up\n");
  touch_in_pod("go");
  EXPECT_TRUE(ending().succeeded()) << log();
  EXPECT_EQ(read_file(work("made")), "made\n");
  EXPECT_EQ(jobs().size(), 1U);
  // Again, when all is over: it is not carried out again, even when the cluster has forgotten it.
  for (const bool forgotten : {false, true}) {
    if (forgotten) {
      cluster().ask({"delete", "job", job_name()});
    }
    fs::remove_all(directory() / "work");
    start(job, making);
    EXPECT_TRUE(ending().succeeded()) << log();
    EXPECT_EQ(read_file(work("made")), "made\n");
  }
  EXPECT_EQ(jobs().size(), 0U);
}

TEST_F(KubernetesJob, AResultThatIsWantedAnewHasANumberOfItsOwn) {
  EXPECT_TRUE(run(shell("echo first")).succeeded());
  PodOrder anew = order();
  anew.anew = true;
  start(shell("echo second"), anew);
  EXPECT_TRUE(ending().succeeded());
  EXPECT_EQ(log(), "second\n");
  EXPECT_EQ(jobs().size(), 2U);
}

TEST_F(KubernetesJob, TheCoProcessMayBeKilled) {
  start(waiting_job("echo two"));
  wait_for_log("up\n");
  ::kill(co_process(), SIGKILL);
  wait_until("it is started again", [this] { return !heard().empty(); });
  wait_for_log("was there already");
  wait_for_log("up\n");
  touch_in_pod("go");
  EXPECT_TRUE(ending().succeeded()) << log();
  EXPECT_TRUE(has(heard().front(), "mlpipe-kubernetes was killed by signal 9"));
  EXPECT_EQ(jobs().size(), 1U);
}

TEST_F(KubernetesJob, GoesOnFromItsCheckpointWhenItsPodIsDeleted) {
  start(
      shell("echo start $(cat \"$MLPIPE_CHECKPOINT_DIR/at\" 2> /dev/null);"
            "test -e \"$MLPIPE_CHECKPOINT_DIR/at\" && exit 0;"
            "trap 'echo 41 > \"$MLPIPE_CHECKPOINT_DIR/at\"; exit 143' TERM; while :; do sleep 0.01; done"));
  wait_for_log("start");
  const std::string first = pod(job_name());
  cluster().ask({"delete", "pod", first, "--wait=false"});
  EXPECT_TRUE(ending().succeeded()) << log();
  EXPECT_TRUE(has(log(), "start 41\n"));
  EXPECT_TRUE(has(log(), "its pod " + first + " has ended: it was told to end from outside"));
}

TEST_F(KubernetesJob, SeveralNodesReachEachOther) {
  PodOrder two = order();
  two.nodes = 2;
  two.outs = {"heard"};
  Job several = shell(
      "echo $RANK of $WORLD_SIZE; if [ $RANK = 0 ]; then perl -MIO::Socket::INET -e '"
      "my $l = IO::Socket::INET->new(LocalPort => $ENV{MASTER_PORT}, Listen => 1, ReuseAddr => 1) or die;"
      "my $c = $l->accept; open my $f, q(>), q(heard); print $f scalar <$c>'; else perl -MIO::Socket::INET "
      "-e '"
      "my $c; $c = IO::Socket::INET->new(\"$ENV{MASTER_ADDR}:$ENV{MASTER_PORT}\") or select undef, undef, "
      "undef, "
      "0.1 while !$c; print $c \"rank $ENV{RANK}\\n\"'; fi");
  several.timeout = 100s;
  start(several, two);
  const Ending ended = ending();
  EXPECT_TRUE(ended.succeeded()) << describe(ended) << log();
  EXPECT_TRUE(has(log(), "[0] 0 of 2\n"));
  EXPECT_TRUE(has(log(), "[1] 1 of 2\n"));
  EXPECT_EQ(read_file(work("heard")), "rank 1\n");
}

TEST_F(KubernetesJob, WhenOneNodeFailsAllDo) {
  PodOrder two = order();
  two.nodes = 2;
  start(shell("test $RANK = 0 && exec sleep 1000; echo no; exit 7"), two);
  const Ending ended = ending();
  EXPECT_EQ(describe(ended), "exit status 7") << log();
  EXPECT_TRUE(has(log(), "[1] no\n"));
}

TEST_F(KubernetesJob, NeedsNoMoreRightsThanTheRoleThatIsShipped) {
  cluster().apply(read_file(MLPIPE_REPOSITORY "/k8s/base/rights/role-steps.yaml"));
  cluster().ask({"create", "serviceaccount", "steps"});
  cluster().ask({"create", "rolebinding", "steps", "--role=mlpipe-steps",
                 "--serviceaccount=" + cluster().name_space() + ":steps"});
  kubeconfig_ = cluster().kubeconfig_of("steps");
  Job job = shell("test -n \"$TOKEN\" && echo up && while [ $RANK = 0 ] && [ ! -e go ]; do sleep 0.05; done");
  job.secret_variables = {"TOKEN"};
  secrets_ = {{"TOKEN", "s3cr3t"}};
  PodOrder two = order();
  two.nodes = 2;
  start(job, two);
  wait_for_log("[0] up\n");
  cluster().ask({"exec",
                 cluster().ask({"get", "pods", "--selector=batch.kubernetes.io/job-completion-index=0",
                                "--output=jsonpath={.items[0].metadata.name}"}),
                 "--container=job", "--", "touch", "/mlpipe/work/go"});
  EXPECT_TRUE(ending().succeeded()) << log();
  PodOrder greedy = order();
  greedy.number = 1;
  greedy.cpu = 1'000'000;
  start(shell("true"), greedy);
  wait_for_log("no node takes its pod");
  cancel_job(directory());
  EXPECT_TRUE(ending().cancelled) << log();
}

// The API server is away for a while: nothing of the log is lost or doubled, and what ended meanwhile is
// found.
TEST_F(KubernetesJob, GoesOnWhenTheApiServerWasAway) {
  Json config = Json::parse(read_file(cluster().kubeconfig()));
  Json& server = config.at("clusters").at(0).at("cluster");
  const std::string url = server.at("server").get<std::string>();
  const std::size_t colon = url.rfind(':');
  const std::string host = url.substr(url.find("//") + 2, colon - url.find("//") - 2);
  Relay relay(host, static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1))));
  server["server"] = fmt::format("https://127.0.0.1:{}", relay.port());
  server["tls-server-name"] = host;
  kubeconfig_ = directory().parent_path() / "kubeconfig";
  write_file_atomically(kubeconfig_, config.dump(), 0600);
  start(shell("i=0; while [ ! -e go ]; do i=$((i+1)); echo line $i; sleep 0.2; done; echo last"));
  wait_for_log("line 3\n");
  const std::string running = pod(job_name());
  relay.cut();
  const std::string before = log();
  std::this_thread::sleep_for(30s);
  relay.mend();
  wait_until("the log goes on", [&] { return log().size() > before.size() + 1000; });
  wait_until("both are told", [this] { return heard().size() == 2; });
  EXPECT_TRUE(has(heard()[0], "the cluster's API server does not answer"));
  EXPECT_TRUE(has(heard()[1], "answers again"));
  const std::string streamed = log();
  relay.cut();
  touch_in_pod("go");
  wait_until("its pod has ended", [&] {
    return has(cluster().ask({"get", "pod", running, "--output=jsonpath={.status.phase}"}), "Succeeded");
  });
  relay.mend();
  EXPECT_TRUE(ending().succeeded()) << log();
  EXPECT_TRUE(has(log(), streamed.substr(0, streamed.rfind('\n'))));
  EXPECT_TRUE(log().ends_with("last\n"));
  EXPECT_EQ(jobs().size(), 1U);
}

// What it waits for is said within seconds, and cancelling it works.
class WaitingJob : public KubernetesJobTest {
 protected:
  void expect_wait(const PodOrder& order, const std::string& part) {
    start(shell("echo up"), order);
    wait_for_log(part);
    EXPECT_TRUE(has(log(), "mlpipe: waiting: "));
    EXPECT_TRUE(has(read_progress(directory()).value_or(Progress{}).text, "waiting: "));
    cancel_job(directory());
    EXPECT_TRUE(ending().cancelled);
    EXPECT_TRUE(jobs().empty());
  }
};

TEST_F(WaitingJob, NoNodeTakesIt) {
  PodOrder greedy = order();
  greedy.cpu = 1'000'000;
  expect_wait(greedy, "no node takes its pod: 0/1 nodes are available: 1 Insufficient cpu");
}

TEST_F(WaitingJob, ItsImageCannotBePulled) {
  PodOrder missing = order();
  missing.image.name = place().registry.for_nodes() + "/nothing@sha256:" + std::string(64, 'a');
  expect_wait(missing, "the image " + missing.image.name + " cannot be pulled: ");
}

TEST_F(WaitingJob, AQuotaLeavesNoRoom) {
  cluster().ask({"create", "quota", "small", "--hard=pods=0"});
  expect_wait(order(), "the quota small leaves no room: requested: pods=1, used: pods=0, limited: pods=0");
  cluster().ask({"delete", "quota", "small"});
}

TEST_F(WaitingJob, AQueueHasNotAdmittedIt) {
  PodOrder queued = order();
  queued.place.queue = "night";
  expect_wait(queued, "the queue night has not admitted it yet");
}

TEST_F(WaitingJob, ASecretIsNotThere) {
  access_.secrets = "nothing";
  PodOrder secret = order();
  secret.cluster_secrets = {{"PASSWORD", "db.password"}};
  expect_wait(secret, "secret \"nothing\" not found");
}

// What can never come right ends it, with the reason.
class HopelessJob : public KubernetesJobTest {};

TEST_F(HopelessJob, ASecretLacksAKey) {
  cluster().ask({"create", "secret", "generic", "few", "--from-literal=a=b"});
  access_.secrets = "few";
  PodOrder secret = order();
  secret.cluster_secrets = {{"PASSWORD", "db.password"}};
  start(shell("true"), secret);
  EXPECT_TRUE(has(ending().failure, "couldn't find key db.password in Secret"));
  EXPECT_TRUE(jobs().empty());
}

TEST_F(HopelessJob, ItsNamespaceIsNotThere) {
  PodOrder elsewhere = order();
  elsewhere.place.name_space = "mlpipe-test-that-is-not-there";
  start(shell("true"), elsewhere);
  EXPECT_TRUE(has(ending().failure, "there is no namespace mlpipe-test-that-is-not-there in the cluster"));
}

TEST_F(HopelessJob, ItsAccountMayNotDoIt) {
  cluster().ask({"create", "serviceaccount", "small"});
  cluster().ask({"create", "role", "small", "--verb=get,list,watch", "--resource=jobs,pods"});
  cluster().ask({"create", "rolebinding", "small", "--role=small",
                 "--serviceaccount=" + cluster().name_space() + ":small"});
  kubeconfig_ = cluster().kubeconfig_of("small");
  start(shell("true"));
  EXPECT_TRUE(
      has(ending().failure, fmt::format("system:serviceaccount:{0}:small may not create jobs.batch in "
                                        "namespace {0}",
                                        cluster().name_space())));
}

TEST_F(HopelessJob, ThereIsNoCluster) {
  kubeconfig_ = directory().parent_path() / "kubeconfig";
  write_file_atomically(kubeconfig_, R"({"apiVersion": "v1", "kind": "Config", "current-context": "none",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": ""}}]})");
  start(shell("true"));
  EXPECT_TRUE(has(ending().failure, "the cluster's API server does not answer"));
}

}  // namespace
}  // namespace mlpipe
