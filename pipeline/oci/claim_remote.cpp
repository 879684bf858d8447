#include "pipeline/oci/claim_remote.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/cluster/pod_security.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/pipe_remote.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* mounted_at = "/mlpipe-remote";
constexpr const char* container_name = "remote";
constexpr auto time_to_start = 2min;
constexpr auto look_interval = 300ms;
constexpr auto idle_time = 60s;
constexpr int longest_life_seconds = 24 * 3600;

bool is_claim_name(std::string_view name) {
  constexpr std::size_t longest = 253;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= longest && plain(name.front()) && plain(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-' || c == '.'; });
}

bool is_plain_part(std::string_view part) {
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

// Makes and finds the pod that has the volume.
class ClaimPod {
 public:
  ClaimPod(ClaimUrl url, const Environment& environment)
      : url_(std::move(url)),
        kubectl_(Kubectl::find(value_of(environment, "MLPIPE_CLUSTER_CONTEXT"), environment)),
        namespace_(value_of(environment, "MLPIPE_CLUSTER_NAMESPACE")),
        image_(value_of(environment, "MLPIPE_AGENT_IMAGE")) {
    if (image_.empty()) {
      throw UsageError(
          fmt::format("pvc://{}: MLPIPE_AGENT_IMAGE does not say what to run there", url_.claim));
    }
    // The same for all who use the claim, and another one for another mlpipe.
    name_ = "mlpipe-remote-" + digest_of(url_.claim + "\n" + image_).short_hex();
  }

  Command start_pipe() const {
    const std::string pod = running_pod();
    const std::string directory =
        fmt::format("dir://{}{}{}", mounted_at, url_.folder.empty() ? "" : "/", url_.folder);
    return kubectl_.command(in_namespace({"exec", "--stdin", "--quiet", "--container", container_name, pod,
                                          "--", "mlpipe-registry", "pipe-remote", directory}));
  }

 private:
  std::vector<std::string> in_namespace(std::vector<std::string> arguments) const {
    if (!namespace_.empty()) {
      arguments.insert(arguments.begin(), {"--namespace", namespace_});
    }
    return arguments;
  }

  void make_job() const {
    const Captured made = kubectl_.run(in_namespace({"create", "--filename", "-"}),
                                       claim_job_manifest(name_, url_.claim, image_).dump());
    if (!made.ending.succeeded() && made.error.find("AlreadyExists") == std::string::npos) {
      throw kubectl_.failure(fmt::format("starting a pod that has the volume of {}", url_.claim), made);
    }
  }

  // Waits for it; a Job that has just ended is waited for too, as its name is free only then.
  std::string running_pod() const {
    const auto give_up_at = std::chrono::steady_clock::now() + time_to_start;
    std::string reason = "it does not start";
    for (bool made = false; std::chrono::steady_clock::now() < give_up_at && !is_hopeless(reason);
         std::this_thread::sleep_for(look_interval)) {
      const Captured listed = kubectl_.run(in_namespace(
          {"get", "pods", "--selector", "batch.kubernetes.io/job-name=" + name_, "--output", "json"}));
      if (!listed.ending.succeeded()) {
        throw kubectl_.failure(fmt::format("looking for the pod that has the volume of {}", url_.claim),
                               listed);
      }
      const json pods = json::parse(listed.output, nullptr, false).value("items", json::array());
      bool there = false;
      for (const json& pod : pods) {
        const json status = pod.value("status", json::object());
        const std::string phase = status.value("phase", "");
        if (phase == "Running" && !pod.at("metadata").contains("deletionTimestamp")) {
          return pod.at("metadata").at("name").get<std::string>();
        }
        there = there || phase == "Pending";
        reason = why_it_waits(status).value_or(reason);
      }
      if (!there && (!made || pods.empty())) {
        make_job();
        made = true;
      }
    }
    kubectl_.run(in_namespace({"delete", "job", name_, "--ignore-not-found", "--wait=false"}));
    throw Unavailable(fmt::format("pvc://{}: the pod {} that is to have the volume does not run: {}",
                                  url_.claim, name_, reason),
                      "is there a PersistentVolumeClaim of that name, in that namespace?");
  }

  static bool is_hopeless(const std::string& reason) {
    return reason.find("persistentvolumeclaim") != std::string::npos &&
           reason.find("not found") != std::string::npos;
  }

  static std::optional<std::string> why_it_waits(const json& status) {
    for (const json& container : status.value("containerStatuses", json::array())) {
      const json waiting = container.value("state", json::object()).value("waiting", json::object());
      if (waiting.contains("message")) {
        return printable(waiting["message"].get<std::string>());
      }
    }
    for (const json& condition : status.value("conditions", json::array())) {
      if (condition.value("status", "") == "False" && condition.contains("message")) {
        return printable(condition["message"].get<std::string>());
      }
    }
    return std::nullopt;
  }

  ClaimUrl url_;
  Kubectl kubectl_;
  std::string namespace_;
  std::string image_;
  std::string name_;
};

fs::path use_lock() {
  return fs::temp_directory_path() / "mlpipe-remote.lock";
}

}  // namespace

ClaimUrl parse_claim_url(const std::string& url) {
  const std::vector<std::string> parts = split(std::string_view(url).substr(claim_scheme.size()), '/');
  ClaimUrl parsed{parts.front(), ""};
  bool good = is_claim_name(parsed.claim);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const bool end = i + 1 == parts.size() && parts[i].empty();
    good = good && (end || is_plain_part(parts[i]));
    parsed.folder += end ? "" : (parsed.folder.empty() ? "" : "/") + parts[i];
  }
  if (!good) {
    throw UsageError(fmt::format("'{}' names no volume of a cluster", printable(url)),
                     "write pvc://CLAIM/FOLDER, the name of a PersistentVolumeClaim and a folder on it");
  }
  return parsed;
}

std::unique_ptr<Remote> open_claim_remote(const std::string& url, const Environment& environment) {
  const ClaimUrl claim = parse_claim_url(url);
  if (const std::string mounted = value_of(environment, "MLPIPE_REMOTE_DIR"); !mounted.empty()) {
    return std::make_unique<DirectoryRemote>(fs::path(mounted) / claim.folder);
  }
  return std::make_unique<PipeRemote>(url, [pod = ClaimPod(claim, environment)] { return pod.start_pipe(); });
}

json claim_job_manifest(const std::string& name, const std::string& claim, const std::string& image) {
  const json labels =
      object_labels({.name = "mlpipe-remote", .instance = name, .component = "remote", .part_of = ""});
  const json container = {
      {"name", container_name},
      {"image", image},
      {"imagePullPolicy", "IfNotPresent"},
      {"command", {"mlpipe-registry", "serve-remote", fmt::format("dir://{}", mounted_at)}},
      {"env", {{{"name", "TMPDIR"}, {"value", "/tmp"}}}},
      {"securityContext", restricted_container()},
      {"resources", {{"requests", {{"cpu", "10m"}, {"memory", "32Mi"}}}, {"limits", {{"memory", "256Mi"}}}}},
      {"volumeMounts",
       {{{"name", "remote"}, {"mountPath", mounted_at}}, {{"name", "tmp"}, {"mountPath", "/tmp"}}}}};
  json pod = {{"restartPolicy", "Never"},
              {"terminationGracePeriodSeconds", 5},
              {"enableServiceLinks", false},
              {"containers", {container}},
              {"volumes",
               {{{"name", "remote"}, {"persistentVolumeClaim", {{"claimName", claim}}}},
                {{"name", "tmp"}, {"emptyDir", json::object()}}}}};
  put_place(pod, ClusterPlace());
  return {{"apiVersion", "batch/v1"},
          {"kind", "Job"},
          {"metadata", {{"name", name}, {"labels", labels}}},
          {"spec",
           {{"backoffLimit", 0},
            {"ttlSecondsAfterFinished", 0},
            {"activeDeadlineSeconds", longest_life_seconds},
            {"template", {{"metadata", {{"labels", labels}}}, {"spec", pod}}}}}};
}

void wait_for_users_of_claim() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const FileDescriptor file = open_file(use_lock(), O_RDWR | O_CREAT, 0600);
  auto used = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - used < idle_time) {
    constexpr timespec pause{5, 0};
    if (::sigtimedwait(&signals, nullptr, &pause) == SIGTERM) {
      return;
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      ::flock(file.get(), LOCK_UN);
    } else {
      used = std::chrono::steady_clock::now();
    }
  }
}

FileDescriptor lock_use_of_claim() {
  FileDescriptor file = open_file(use_lock(), O_RDWR | O_CREAT, 0600);
  if (::flock(file.get(), LOCK_SH) != 0) {
    throw_errno(fmt::format("locking {}", use_lock().string()));
  }
  return file;
}

}  // namespace mlpipe
