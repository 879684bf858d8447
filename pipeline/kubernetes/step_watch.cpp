// What becomes of a step's Job: why it waits, what it prints, how it ends, and what it made.
#include "pipeline/kubernetes/step.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

constexpr auto slow_start = 2000ms;      // of a pod, before it is asked why
constexpr auto slow_recording = 2000ms;  // before the remote is asked itself: a busy node may tell late

}  // namespace

// A pod that does not get on may say so by nothing else than time.
void Step::look_later() {
  after(slow_start, &Step::look);
}

void Step::watch() {
  const SeenJob* job = view_->job(order_.name);
  was_there_ = was_there_ || job != nullptr;
  for (const SeenPod* pod : view_->pods_of(uid_)) {
    if (const std::string words = hopeless(*pod); !words.empty()) {
      delete_job([this, words] { fail(words); });
      return;
    }
    if (pod->ended() && ran_out_of_memory(*pod)) {
      out_of_memory_ = true;
      delete_job([this] { collect(); });
      return;
    }
    if (pod->job.running && !logs_->follows(pod->name)) {
      logs_->follow(pod->name, pod->index == 0);
    }
  }
  look_at_pods();
  look_at_endings(job);
}

// Why it does not get on. What the pods do not say is among the events.
void Step::look_at_pods() {
  if (state_ != State::watching) {
    return;
  }
  const SeenJob* job = view_->job(order_.name);
  std::optional<Waiting> waiting = job == nullptr ? std::nullopt : why_waiting(*job);
  bool running = false;
  for (const SeenPod* pod : view_->pods_of(uid_)) {
    if (!pod->ended()) {
      running = running || pod->job.running || pod->job.exit_code.has_value();
      waiting = waiting ? waiting : why_waiting(*pod);
    }
  }
  if (waiting) {
    tell_waiting(waiting);
  } else if (running) {
    tell_waiting(std::nullopt);
  } else if (std::chrono::steady_clock::now() - watched_since_ >= slow_start) {
    view_->want_warnings();
  }
}

void Step::tell_waiting(const std::optional<Waiting>& waiting) {
  if (waiting_.has_value() == waiting.has_value() && (!waiting || waiting_->kind == waiting->kind)) {
    return;
  }
  waiting_ = waiting;
  if (!waiting) {
    log_->show_waiting("");
    services_.tell({{"event", "running"}, {"directory", directory_.string()}});
    return;
  }
  const std::string text = "waiting: " + printable(waiting->text);
  log_->show_waiting(text);
  services_.tell({{"event", "pending"}, {"directory", directory_.string()}, {"reason", waiting->text}});
  if (told_.insert(waiting->kind).second) {
    log_->note(text);
  }
}

void Step::look_at_endings(const SeenJob* job) {
  const std::vector<const SeenPod*> pods = view_->pods_of(uid_);
  bool followed = false;
  for (const SeenPod* pod : pods) {
    ever_ran_ = ever_ran_ || pod->job.running || pod->job.exit_code.has_value();
    followed = followed || (pod->ended_by_itself() && logs_->follows(pod->name));
    if (pod->ended() && !pod->recorded() && ended_pods_.insert(pod->name).second) {
      last_ending_ = how_it_ended(*pod);
      log_->note(fmt::format("its pod {} has ended: {}", pod->name, last_ending_));
    }
  }
  const bool over = job == nullptr ? was_there_ : job->ended();
  const bool early =
      job != nullptr && !asked_early_ && progress_of(*job, pods, order_.order.nodes) != Progressed::runs;
  if (over || early || records_for_long(pods)) {
    asked_early_ = early && !over;
    if (!followed) {
      log_->begin_pod();  // nothing of the log that was recorded is here yet
    }
    collect();
  }
}

// Whether it is time to look whether what a pod made is there, whatever its node says.
bool Step::records_for_long(const std::vector<const SeenPod*>& pods) {
  const bool recording = std::any_of(pods.begin(), pods.end(), [](const SeenPod* pod) {
    return pod->ended_by_itself() && !pod->record.exit_code;
  });
  const auto now = std::chrono::steady_clock::now();
  if (recording && recording_since_ && now - *recording_since_ < slow_recording) {
    return false;
  }
  const bool for_long = recording && recording_since_;
  recording_since_ = recording ? std::optional(now) : std::nullopt;
  if (recording) {
    after(slow_recording, &Step::look);
  }
  return for_long;
}

void Step::collect() {
  state_ = State::collecting;
  logs_->close();
  crash_point("collect what a Job made");
  // What was said before the pod that recorded its log, and what earlier pods printed, is kept.
  const auto made = std::make_shared<Made>(Made::nothing);
  const auto work = [made, directory = directory_, job = order_.name, nodes = order_.order.nodes,
                     earlier = log_->beginning_of_pod()](Remote& remote) {
    const FileDescriptor before = open_file(directory / "log", O_RDONLY);
    *made = collect_job(remote, job, nodes, directory);
    if (*made != Made::nothing) {
      put_before_log(directory, before, earlier);
    }
  };
  transfer(work, [this, made] { take_collected(*made); });
}

void Step::take_collected(Made made) {
  if (out_of_memory_) {
    Ending ending;
    ending.signal = SIGKILL;
    ending.out_of_memory = true;
    ending.memory_limit = order_.order.memory;
    finish(ending);
    return;
  }
  if (made != Made::nothing) {
    end();
    return;
  }
  const SeenJob* job = view_->job(order_.name);
  if (job != nullptr && !job->ended()) {
    state_ = State::watching;
    look();
    return;
  }
  lose(job);
}

// Its Job is over, and there is no word of its agent.
void Step::lose(const SeenJob* job) {
  std::string words = "the Job was deleted by somebody else";
  if (job != nullptr && job->succeeded) {
    words = "the Job has succeeded, but what it made is not in the remote";
  } else if (job != nullptr) {
    words = job->message.empty() ? job->reason : fmt::format("{}: {}", job->reason, job->message);
  }
  for (const std::string& more : {last_ending_, waiting_ ? waiting_->text : ""}) {
    if (!more.empty() && words.find(more) == std::string::npos) {
      words += "; " + more;
    }
  }
  if (!ever_ran_) {
    fail(fmt::format("Kubernetes gave the Job {} up: {}", order_.name, words));
    return;
  }
  log_->note(fmt::format("the Job {} is over, without a word of its agent: {}", order_.name, words));
  Ending ending;
  ending.signal = job == nullptr ? SIGTERM : SIGKILL;
  if (job != nullptr && job->reason == "DeadlineExceeded" && order_.timeout) {
    ending.timed_out = true;
    ending.timeout = *order_.timeout;
  }
  finish(ending);
}

}  // namespace mlpipe
