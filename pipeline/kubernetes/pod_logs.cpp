#include "pipeline/kubernetes/pod_logs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/kubernetes/manifests.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

constexpr int forbidden = 403;
constexpr std::chrono::milliseconds shortest_pause = 1000ms;

}  // namespace

PodLogs::PodLogs(Api& api, StepLog& log, std::string name_space, std::function<bool(const std::string&)> runs)
    : api_(api), log_(log), name_space_(std::move(name_space)), runs_(std::move(runs)) {}

void PodLogs::follow(const std::string& pod, bool progress) {
  if (!open_) {
    open_ = std::make_shared<int>(0);
  }
  if (std::none_of(pods_.begin(), pods_.end(), [](const auto& one) { return one.second.stream != 0; })) {
    log_.begin_pod();
  }
  pods_[pod].lines =
      std::make_unique<PodLines>(PodLines::Listener{[this](std::string_view bytes) { log_.append(bytes); },
                                                    [this, progress](std::string_view line) {
                                                      if (progress) {
                                                        log_.add_progress(line);
                                                      }
                                                    }});
  open(pod);
}

void PodLogs::open(const std::string& pod) {
  Followed& followed = pods_.at(pod);
  ApiCall get;
  get.path = fmt::format("/api/v1/namespaces/{}/pods/{}/log?container={}&follow=true&timestamps=true",
                         name_space_, pod, job_container);
  if (const std::string since = followed.lines->since(); !since.empty()) {
    get.path += "&sinceTime=" + since;
  }
  followed.lines->begin();
  get.receive = [&followed](std::string_view bytes) {
    followed.tries = 0;
    followed.lines->take(bytes);
  };
  get.done = [this, pod](const ApiAnswer& answer) { take_end(pod, answer); };
  followed.stream = api_.loop().http().begin(std::move(get));
}

// A stream ends with its container, which the pod's state says a little later, or is cut.
void PodLogs::take_end(const std::string& pod, const ApiAnswer& answer) {
  Followed& followed = pods_.at(pod);
  followed.stream = 0;
  if (!runs_(pod)) {
    return;
  }
  if (api_.look_at(answer) == Answered::yes && answer.status == forbidden) {
    const Error error = cluster_failure("following its log", words_of(answer));
    log_.note(fmt::format("{} ({})", error.what(), error.hint()));
    return;
  }
  const auto pause = std::max(shortest_pause, api_.pause(followed.tries++));
  api_.loop().after(pause, [this, pod, still_open = std::weak_ptr<int>(open_)] {
    if (!still_open.expired() && runs_(pod)) {
      open(pod);
    }
  });
}

void PodLogs::close() {
  open_.reset();
  for (auto& [pod, followed] : pods_) {
    if (followed.stream != 0) {
      api_.loop().http().abandon(followed.stream);
      followed.stream = 0;
    }
  }
}

}  // namespace mlpipe
