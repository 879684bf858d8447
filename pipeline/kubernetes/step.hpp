#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "pipeline/agent/control.hpp"
#include "pipeline/agent/job.hpp"
#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/kubernetes/manifests.hpp"
#include "pipeline/kubernetes/namespace_view.hpp"
#include "pipeline/kubernetes/pod_logs.hpp"
#include "pipeline/kubernetes/step_log.hpp"
#include "pipeline/kubernetes/transfers.hpp"
#include "pipeline/oci/pod_job.hpp"

namespace mlpipe {

// What all steps share.
struct StepServices {
  Api& api;
  Transfers& transfers;
  ImagesInRegistry& images;
  JobSettings settings;
  std::string context;
  // Of a namespace; it stays.
  std::function<NamespaceView&(const std::string&)> view;
  std::function<void(const nlohmann::json&)> tell;  // an event for mlpipe
};

// One step's job from its folder to its Job and back. It takes up a Job that is there, and never makes a
// second one of a name. Everything happens on the loop's thread, and after `ended` was called nothing more.
class Step {
 public:
  // `lock` is held until this is gone.
  Step(StepServices& services, std::filesystem::path directory, FileDescriptor lock,
       std::map<std::string, std::string> secrets, std::function<void()> ended);
  ~Step();
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  enum class State {
    listing,     // until it is known what is there
    sending,     // what the job works with
    creating,    // the Job
    watching,    // it
    collecting,  // what it made
    cancelling,  // the Job is deleted, and its pods end
    deleting,    // the Job, for it has failed
    ended,
  };
  // What came of the beginning.
  struct Prepared {
    enum class State {
      sent,
      made,         // it was carried out before, and that counts
      passed_over,  // it was carried out before, and does not count
    };
    State state = State::sent;
    std::string image;
    std::string agent;
  };

  void look();
  void choose();
  void prepare();
  void take_prepared(const Prepared& prepared);
  void create();
  void take_created(const ApiAnswer& answer);
  void take_up();
  std::string not_ours() const;
  void begin_to_watch();
  void create_belongings();
  void look_later();
  void watch();
  void look_at_pods();
  void look_at_endings(const SeenJob* job);
  void tell_waiting(const std::optional<Waiting>& waiting);
  bool records_for_long(const std::vector<const SeenPod*>& pods);
  void collect();
  void take_collected(Made made);
  void read_control();
  void cancel();
  void finish_cancelled();
  void delete_job(std::function<void()> then);
  void fail(const std::string& reason);
  void fail(const Error& error);
  void lose(const SeenJob* job);
  void finish(const Ending& ending);
  void end();

  // Calls that its end makes void.
  void call(ApiCall call, std::function<void(const ApiAnswer&)> done);
  void after(std::chrono::milliseconds time, void (Step::*act)());
  void transfer(Transfers::Work work, std::function<void()> done);
  std::string job_path() const;
  std::function<Environment()> variables() const;

  StepServices& services_;
  std::filesystem::path directory_;
  FileDescriptor lock_;
  std::map<std::string, std::string> secrets_;
  std::function<void()> ended_;
  std::optional<StepLog> log_;
  std::optional<PodLogs> logs_;
  std::optional<ControlLines> control_;

  JobOrder order_;
  std::size_t number_ = 0;
  NamespaceView* view_ = nullptr;
  std::shared_ptr<NamespaceView::Listener> listener_;
  std::shared_ptr<int> known_ = std::make_shared<int>(0);  // until the end
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // until a Job that is deleted makes calls void

  State state_ = State::listing;
  bool cancelled_ = false;
  std::string uid_;         // of the Job
  bool was_there_ = false;  // the Job has been seen
  bool ever_ran_ = false;   // a pod's job has
  // When a pod was first seen, or last asked about, whose job has ended and whose `record` has not.
  std::optional<std::chrono::steady_clock::time_point> recording_since_;
  bool out_of_memory_ = false;  // the kernel killed the agent with the job
  bool asked_early_ = false;    // what a pod made was asked for before its Job had ended, and was not there
  std::chrono::steady_clock::time_point watched_since_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::optional<Waiting> waiting_;    // that was told last
  std::set<std::string> told_;        // reasons
  std::set<std::string> ended_pods_;  // that were told of
  std::string last_ending_;           // of a pod that has recorded nothing
  int transfer_tries_ = 0;
};

}  // namespace mlpipe
