#include "pipeline/kubernetes/step.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/oci/http.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int conflict = 409;
constexpr int not_found = 404;
constexpr auto slow_start = 2000ms;        // of a pod, before it is asked why
constexpr auto time_to_delete = 45'000ms;  // besides the job's grace
constexpr int most_transfer_tries = 60;
constexpr auto transfer_pause = 5000ms;

std::string with_hint(const Error& error) {
  return error.hint().empty() ? error.what() : fmt::format("{} ({})", error.what(), error.hint());
}

// Whether a Job of that name was carried out already, and what came of it. Nothing in the job's folder is
// touched.
Made made_before(Remote& remote, const std::string& job, int nodes, const fs::path& directory) {
  bool any = false;
  for (int index = 0; index < nodes && !any; ++index) {
    any = remote.get_record(fmt::format("made-{}-{}", job, index)).has_value();
  }
  if (!any) {
    return Made::nothing;
  }
  const TemporaryDirectory aside(directory.parent_path());
  write_pod_order(aside.path(), read_pod_order(directory));
  return collect_job(remote, job, nodes, aside.path());
}

}  // namespace

Step::Step(StepServices& services, fs::path directory, FileDescriptor lock,
           std::map<std::string, std::string> secrets, std::function<void()> ended)
    : services_(services),
      directory_(std::move(directory)),
      lock_(std::move(lock)),
      secrets_(std::move(secrets)),
      ended_(std::move(ended)),
      listener_(std::make_shared<NamespaceView::Listener>()) {
  if (read_ending(directory_)) {  // who followed it before was killed before it could say so
    services_.api.loop().after(0ms, [this, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) {
        end();
      }
    });
    return;
  }
  control_ = ControlLines::of_fifo(directory_);
  services_.api.loop().watch(control_->descriptor(), [this] { read_control(); });
  log_.emplace(directory_);
  order_.order = read_pod_order(directory_);
  const Job job = read_job(directory_);
  order_.timeout = job.timeout;
  order_.grace = job.grace;
  for (const std::string& variable : job.secret_variables) {
    if (!order_.order.cluster_secrets.contains(variable)) {
      order_.secret_variables.push_back(variable);
    }
  }
  order_.name_space = order_.order.place.name_space;
  number_ = order_.order.number;
  view_ = &services_.view(order_.name_space);
  order_.name_space = view_->name();
  logs_.emplace(services_.api, *log_, order_.name_space, [this](const std::string& name) {
    const std::vector<const SeenPod*> pods = view_->pods_of(uid_);
    return std::any_of(pods.begin(), pods.end(), [&name](const SeenPod* pod) {
      return pod->name == name && !pod->job.exit_code && !pod->ended();
    });
  });
  listener_->changed = [this] { look(); };
  listener_->warned = [this](const Waiting& waiting) {
    if (state_ == State::watching) {
      tell_waiting(waiting);
    }
  };
  listener_->refused = [this](const Error&) { look(); };
  for (const std::string& variable : order_.secret_variables) {
    if (!secrets_.contains(variable)) {
      throw Error(fmt::format("the secret for {} was not handed over", variable));
    }
  }
  view_->follow("", listener_);  // it has no name yet
  after(0ms, &Step::look);
}

Step::~Step() {
  if (control_) {
    services_.api.loop().forget(control_->descriptor());
  }
}

void Step::call(ApiCall call, std::function<void(const ApiAnswer&)> done) {
  services_.api.call(std::move(call), alive_, std::move(done));
}

void Step::after(std::chrono::milliseconds time, void (Step::*act)()) {
  services_.api.loop().after(time, [this, act, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && state_ != State::ended) {
      (this->*act)();
    }
  });
}

// A remote that does not answer now is asked again.
template <typename Value>
void Step::transfer(std::function<Value(Remote&)> work, std::function<void(Value)> done) {
  const auto result = std::make_shared<std::optional<Value>>();
  services_.transfers.add(
      variables(), [work, result](Remote& remote) { *result = work(remote); },
      [this, work, done, result, alive = std::weak_ptr<int>(alive_)](std::exception_ptr fault) {
        if (alive.expired() || state_ == State::ended) {
          return;
        }
        try {
          if (fault) {
            std::rethrow_exception(fault);
          }
          transfer_tries_ = 0;
          done(std::move(**result));
        } catch (const Unavailable& error) {
          if (cancelled_ || ++transfer_tries_ > most_transfer_tries) {
            fail(error);
            return;
          }
          tell_waiting(Waiting{"remote", fmt::format("the remote does not answer: {}", error.what())});
          services_.api.loop().after(transfer_pause, [this, work, done, alive] {
            if (!alive.expired() && state_ != State::ended) {
              transfer(work, done);
            }
          });
        } catch (const Error& error) {
          fail(error);
        } catch (const std::exception& error) {
          fail(std::string(error.what()));
        }
      });
}

Environment Step::variables() const {
  if (!services_.settings.remote.starts_with("pvc://")) {
    return {};
  }
  return {{"MLPIPE_CLUSTER_CONTEXT", services_.context},
          {"MLPIPE_CLUSTER_NAMESPACE", order_.name_space},
          {"MLPIPE_AGENT_IMAGE", order_.agent}};
}

std::string Step::job_path() const {
  return fmt::format("/apis/batch/v1/namespaces/{}/jobs", order_.name_space);
}

// Something has changed, or time has passed.
void Step::look() {
  const bool waits = state_ == State::listing || state_ == State::watching || state_ == State::cancelling;
  if (waits && view_->refused()) {
    fail(*view_->refused());
    return;
  }
  switch (state_) {
    case State::listing:
      if (cancelled_) {
        cancel();
      } else if (view_->listed()) {
        choose();
      }
      return;
    case State::watching:
      watch();
      return;
    case State::cancelling: {
      const std::vector<const SeenPod*> pods = view_->pods_of(uid_);
      const bool over =
          std::all_of(pods.begin(), pods.end(), [](const SeenPod* pod) { return pod->ended(); });
      if (over && view_->job(order_.name) == nullptr) {
        Ending ending;
        ending.cancelled = true;
        finish(ending);
      }
      return;
    }
    case State::sending:
    case State::creating:
    case State::collecting:
    case State::deleting:
    case State::ended:
      return;
  }
}

// Which number is this job's: that of a Job that runs, or of one that is over and counts, or a new one.
void Step::choose() {
  for (;; ++number_) {
    order_.name = fmt::format("{}-{}", order_.order.name, number_);
    const SeenJob* job = view_->job(order_.name);
    if (job == nullptr) {
      prepare();
      return;
    }
    if (job->key != order_.order.key) {
      fail(fmt::format("there is a Job {} in namespace {} that was not made for this step", order_.name,
                       order_.name_space));
      return;
    }
    const Progressed far = progress_of(*job, view_->pods_of(job->uid), order_.order.nodes);
    if (job->deleting || far == Progressed::failed || (far == Progressed::succeeded && order_.order.anew)) {
      continue;
    }
    view_->follow(order_.name, listener_);
    uid_ = job->uid;
    was_there_ = true;
    log_->note(fmt::format("the Job {} in namespace {} was there already", order_.name, order_.name_space));
    begin_to_watch();
    return;
  }
}

void Step::prepare() {
  state_ = State::sending;
  view_->follow(order_.name, listener_);
  struct Outcome {
    Prepared prepared = Prepared::sent;
    std::string image;
    std::string agent;
  };
  const std::function<Outcome(Remote&)> work = [images = &services_.images, order = order_.order,
                                                job = order_.name, directory = directory_](Remote& remote) {
    Outcome outcome;
    const Made made = made_before(remote, job, order.nodes, directory);
    if (made == Made::succeeded && !order.anew) {
      collect_job(remote, job, order.nodes, directory);
      outcome.prepared = Prepared::made;
    } else if (made != Made::nothing) {
      outcome.prepared = Prepared::passed_over;
    } else {
      outcome.image = images->reference_of(order.image);
      outcome.agent = images->reference_of(order.agent);
      send_job(remote, job, order, directory, "checkpoint-" + order.key);
    }
    return outcome;
  };
  transfer<Outcome>(
      work, [this](Outcome outcome) { take_prepared(outcome.prepared, outcome.image, outcome.agent); });
}

void Step::take_prepared(Prepared prepared, const std::string& image, const std::string& agent) {
  if (prepared == Prepared::made) {
    end();
    return;
  }
  if (cancelled_) {
    cancel();
    return;
  }
  if (prepared == Prepared::passed_over) {
    ++number_;
    state_ = State::listing;
    look();
    return;
  }
  order_.image = image;
  order_.agent = agent;
  create();
}

void Step::create() {
  state_ = State::creating;
  crash_point("make a Job");
  ApiCall post;
  post.method = "POST";
  post.path = job_path() + "?fieldManager=mlpipe";
  post.body = job_manifest(order_, services_.settings).dump();
  call(std::move(post), [this](const ApiAnswer& answer) { take_created(answer); });
}

void Step::take_created(const ApiAnswer& answer) {
  crash_point("made a Job");
  if (answer.succeeded()) {
    const SeenJob job = seen_job(Json::parse(answer.body, nullptr, false));
    uid_ = job.uid;
  } else if (answer.status == conflict) {
    // Another mlpipe was faster, or the answer to the first try was lost. The watch may not know it yet.
    ApiCall get;
    get.path = fmt::format("{}/{}", job_path(), order_.name);
    call(std::move(get), [this](const ApiAnswer& there) {
      const SeenJob job = seen_job(Json::parse(there.body, nullptr, false));
      if (there.status == not_found) {
        create();
      } else if (!there.succeeded()) {
        fail(cluster_failure(fmt::format("looking at the Job {}", order_.name), words_of(there)));
      } else if (job.key != order_.order.key) {
        fail(fmt::format("there is a Job {} in namespace {} that was not made for this step", order_.name,
                         order_.name_space));
      } else if (cancelled_) {
        uid_ = job.uid;
        cancel();
      } else {
        uid_ = job.uid;
        begin_to_watch();
      }
    });
    return;
  } else {
    fail(cluster_failure(fmt::format("making the Job of {}", order_.order.step), words_of(answer)));
    return;
  }
  if (cancelled_) {
    cancel();
    return;
  }
  begin_to_watch();
}

void Step::begin_to_watch() {
  state_ = State::watching;
  create_belongings();
  after(slow_start, &Step::look_at_pods);
  look();
}

// Also of a Job that was there: who made it may have been killed in between.
void Step::create_belongings() {
  const auto post = [this](const char* kind, const Json& manifest) {
    ApiCall create;
    create.method = "POST";
    create.path = fmt::format("/api/v1/namespaces/{}/{}?fieldManager=mlpipe", order_.name_space, kind);
    create.body = manifest.dump();
    call(std::move(create), [this, kind](const ApiAnswer& answer) {
      if (!answer.succeeded() && answer.status != conflict && state_ == State::watching) {
        const Error error =
            cluster_failure(fmt::format("making the {} of {}", kind, order_.order.step), words_of(answer));
        delete_job([this, error] { fail(error); });
      }
    });
  };
  if (!order_.secret_variables.empty()) {
    std::map<std::string, std::string> values;
    for (const std::string& variable : order_.secret_variables) {
      values[variable] = secrets_.at(variable);
    }
    post("secrets", secret_manifest(order_, uid_, values));
  }
  if (order_.order.nodes > 1) {
    post("services", service_manifest(order_, uid_));
  }
}

void Step::watch() {
  const SeenJob* job = view_->job(order_.name);
  was_there_ = was_there_ || job != nullptr;
  for (const SeenPod* pod : view_->pods_of(uid_)) {
    if (const std::string words = hopeless(*pod); !words.empty()) {
      delete_job([this, words] { fail(words); });
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
  } else if (std::chrono::system_clock::now() - started_ > slow_start) {
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
    followed = followed || (pod->recorded() && logs_->follows(pod->name));
    if (pod->ended() && !pod->recorded() && ended_pods_.insert(pod->name).second) {
      last_ending_ = how_it_ended(*pod);
      log_->note(fmt::format("its pod {} has ended: {}", pod->name, last_ending_));
    }
  }
  const bool over = job == nullptr ? was_there_ : job->ended();
  const bool early =
      job != nullptr && !asked_early_ && progress_of(*job, pods, order_.order.nodes) != Progressed::runs;
  if (over || early) {
    asked_early_ = !over;
    if (!followed) {
      log_->begin_pod();  // nothing of the log that was recorded is here yet
    }
    collect();
  }
}

void Step::collect() {
  state_ = State::collecting;
  logs_->close();
  crash_point("collect what a Job made");
  // What was said before the pod that recorded its log, and what earlier pods printed, is kept.
  const std::function<Made(Remote&)> work = [directory = directory_, job = order_.name,
                                             nodes = order_.order.nodes,
                                             earlier = log_->beginning_of_pod()](Remote& remote) {
    const FileDescriptor before = open_file(directory / "log", O_RDONLY);
    const Made made = collect_job(remote, job, nodes, directory);
    if (made != Made::nothing) {
      put_before_log(directory, before, earlier);
    }
    return made;
  };
  transfer<Made>(work, [this](Made made) { take_collected(made); });
}

void Step::take_collected(Made made) {
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

void Step::read_control() {
  for (const std::string& line : control_->read_lines()) {
    if (line == "cancel" && !cancelled_) {
      cancelled_ = true;
      if (state_ == State::listing || state_ == State::creating || state_ == State::watching) {
        cancel();
        return;
      }
    }
  }
}

void Step::cancel() {
  if (state_ == State::listing || (state_ == State::sending && uid_.empty())) {
    Ending ending;
    ending.cancelled = true;
    finish(ending);
    return;
  }
  delete_job([this] { look(); });
  state_ = State::cancelling;
  // Nothing is known of a cluster that does not answer: the wait has an end.
  services_.api.loop().after(order_.grace + time_to_delete, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && state_ == State::cancelling) {
      log_->note(fmt::format("the Job {} in namespace {} may still be there: `kubectl delete job {}`",
                             order_.name, order_.name_space, order_.name));
      Ending ending;
      ending.cancelled = true;
      finish(ending);
    }
  });
}

void Step::delete_job(std::function<void()> then) {
  alive_ = std::make_shared<int>(0);  // what was under way is not waited for
  crash_point("delete a Job");
  state_ = State::deleting;
  ApiCall erase;
  erase.method = "DELETE";
  erase.path = fmt::format("{}/{}?propagationPolicy=Background", job_path(), order_.name);
  call(std::move(erase), [this, then](const ApiAnswer& answer) {
    if (!answer.succeeded() && answer.status != not_found) {
      fail(cluster_failure(fmt::format("deleting the Job {}", order_.name), words_of(answer)));
      return;
    }
    then();
  });
}

void Step::fail(const Error& error) {
  fail(with_hint(error));
}

// It could not be carried out.
void Step::fail(const std::string& reason) {
  Ending ending;
  ending.cancelled = cancelled_;
  ending.failure = cancelled_ ? "" : printable(reason);
  finish(ending);
}

void Step::finish(const Ending& ending) {
  if (state_ == State::ended) {
    return;
  }
  Ending written = ending;
  written.started = started_;
  written.finished = std::chrono::system_clock::now();
  write_ending(directory_, written);
  end();
}

// exit.json is there.
void Step::end() {
  state_ = State::ended;
  alive_.reset();
  logs_.reset();
  ended_();
}

}  // namespace mlpipe
