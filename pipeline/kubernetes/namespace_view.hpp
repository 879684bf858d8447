#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/kubernetes/api.hpp"
#include "pipeline/kubernetes/seen.hpp"
#include "pipeline/kubernetes/watch.hpp"

namespace mlpipe {

// The Jobs of steps in one namespace and their pods, as the API last told: two watches, and a third of
// warnings once somebody wants to know why something does not get on.
class NamespaceView {
 public:
  struct Listener {
    std::function<void()> changed;               // the Job or one of its pods, or all has been listed
    std::function<void(const Waiting&)> warned;  // about one of them
    std::function<void(const Error&)> refused;   // the API lets nobody look
  };

  NamespaceView(Api& api, std::string name);

  const std::string& name() const { return name_; }
  // Why the API lets nobody look; nothing: it does.
  const std::optional<Error>& refused() const { return refused_; }
  // What is there is known.
  bool listed() const { return jobs_listed_ && pods_listed_; }
  const SeenJob* job(const std::string& name) const;
  // By their names.
  std::vector<const SeenPod*> pods_of(const std::string& job_uid) const;

  // Until the listener is gone it hears of the Job of that name.
  void follow(const std::string& job, const std::shared_ptr<Listener>& listener);
  void want_warnings();

 private:
  void take_job(SeenJob job);
  void take_pod(SeenPod pod);
  void drop_pod(const std::string& pod);
  void take_warning(const nlohmann::json& event);
  void tell(const std::string& job);
  void tell_all();
  void take_refusal(const ApiAnswer& answer, const std::string& doing);
  std::vector<std::shared_ptr<Listener>> listeners_of(const std::string& job);

  Api& api_;
  std::string name_;
  std::map<std::string, SeenJob> jobs_;
  std::map<std::string, SeenPod> pods_;
  std::optional<Error> refused_;
  bool jobs_listed_ = false;
  bool pods_listed_ = false;
  std::multimap<std::string, std::weak_ptr<Listener>> listeners_;
  std::unique_ptr<Watch> watched_jobs_;
  std::unique_ptr<Watch> watched_pods_;
  std::unique_ptr<Watch> warnings_;
};

}  // namespace mlpipe
