#include "pipeline/kubernetes/namespace_view.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/cluster/cluster_failure.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// Encoded: app.kubernetes.io/managed-by=mlpipe,app.kubernetes.io/component=step
constexpr const char* of_steps =
    "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dmlpipe%2Capp.kubernetes.io%2Fcomponent%3Dstep";
constexpr const char* warnings_only = "fieldSelector=type%3DWarning";

}  // namespace

NamespaceView::NamespaceView(Api& api, std::string name) : api_(api), name_(std::move(name)) {
  const auto refused = [this](const char* what) {
    return [this, what](const ApiAnswer& answer) {
      take_refusal(answer, fmt::format("looking at the {} in namespace {}", what, name_));
    };
  };
  watched_jobs_ =
      std::make_unique<Watch>(api_, fmt::format("/apis/batch/v1/namespaces/{}/jobs", name_), of_steps,
                              Watch::Listener{[this](const Json& object) { take_job(seen_job(object)); },
                                              [this](const std::string& job) {
                                                jobs_.erase(job);
                                                tell(job);
                                              },
                                              [this] {
                                                jobs_listed_ = true;
                                                tell_all();
                                              },
                                              refused("Jobs")});
  watched_pods_ =
      std::make_unique<Watch>(api_, fmt::format("/api/v1/namespaces/{}/pods", name_), of_steps,
                              Watch::Listener{[this](const Json& object) { take_pod(seen_pod(object)); },
                                              [this](const std::string& pod) { drop_pod(pod); },
                                              [this] {
                                                pods_listed_ = true;
                                                tell_all();
                                              },
                                              refused("pods")});
}

void NamespaceView::take_job(SeenJob job) {
  const std::string changed = job.name;
  jobs_.insert_or_assign(changed, std::move(job));
  tell(changed);
}

void NamespaceView::take_pod(SeenPod pod) {
  const std::string changed = pod.job_name;
  pods_.insert_or_assign(pod.name, pod);
  tell(changed);
}

void NamespaceView::drop_pod(const std::string& pod) {
  if (const auto found = pods_.find(pod); found != pods_.end()) {
    const std::string changed = found->second.job_name;
    pods_.erase(found);
    tell(changed);
  }
}

const SeenJob* NamespaceView::job(const std::string& name) const {
  const auto found = jobs_.find(name);
  return found == jobs_.end() ? nullptr : &found->second;
}

std::vector<const SeenPod*> NamespaceView::pods_of(const std::string& job_uid) const {
  std::vector<const SeenPod*> found;
  for (const auto& [name, pod] : pods_) {
    if (pod.owner == job_uid) {
      found.push_back(&pod);
    }
  }
  return found;
}

void NamespaceView::follow(const std::string& job, const std::shared_ptr<Listener>& listener) {
  std::erase_if(listeners_, [](const auto& one) { return one.second.expired(); });
  listeners_.emplace(job, listener);
}

std::vector<std::shared_ptr<NamespaceView::Listener>> NamespaceView::listeners_of(const std::string& job) {
  std::vector<std::shared_ptr<Listener>> found;
  const auto [begin, end] = listeners_.equal_range(job);
  for (auto one = begin; one != end; ++one) {
    if (auto listener = one->second.lock()) {
      found.push_back(std::move(listener));
    }
  }
  return found;
}

void NamespaceView::tell(const std::string& job) {
  if (listed()) {
    for (const std::shared_ptr<Listener>& listener : listeners_of(job)) {
      listener->changed();
    }
  }
}

void NamespaceView::tell_all() {
  if (!listed()) {
    return;
  }
  std::vector<std::shared_ptr<Listener>> all;
  for (const auto& [job, weak] : listeners_) {
    if (auto listener = weak.lock()) {
      all.push_back(std::move(listener));
    }
  }
  for (const std::shared_ptr<Listener>& listener : all) {
    listener->changed();
  }
}

void NamespaceView::take_refusal(const ApiAnswer& answer, const std::string& doing) {
  refused_ = cluster_failure(doing, words_of(answer));
  std::vector<std::shared_ptr<Listener>> all;
  for (const auto& [job, weak] : listeners_) {
    if (auto listener = weak.lock()) {
      all.push_back(std::move(listener));
    }
  }
  for (const std::shared_ptr<Listener>& listener : all) {
    listener->refused(*refused_);
  }
}

void NamespaceView::want_warnings() {
  if (warnings_) {
    return;
  }
  // Without the right to look at events the rest goes on.
  warnings_ =
      std::make_unique<Watch>(api_, fmt::format("/api/v1/namespaces/{}/events", name_), warnings_only,
                              Watch::Listener{[this](const Json& event) { take_warning(event); },
                                              [](const std::string&) {}, [] {}, [](const ApiAnswer&) {}});
}

void NamespaceView::take_warning(const Json& event) {
  const auto waiting = why_waiting(event);
  if (!waiting || !event.contains("involvedObject")) {
    return;
  }
  const Json& object = event["involvedObject"];
  const std::string about = object.value("name", "");
  const auto pod = pods_.find(about);
  const auto job = jobs_.find(pod == pods_.end() ? about : pod->second.job_name);
  if (job == jobs_.end() || (pod == pods_.end() && job->second.uid != object.value("uid", ""))) {
    return;
  }
  for (const std::shared_ptr<Listener>& listener : listeners_of(job->first)) {
    listener->warned(*waiting);
  }
}

}  // namespace mlpipe
