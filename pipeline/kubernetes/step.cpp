#include "pipeline/kubernetes/step.hpp"

#include <fmt/format.h>

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

constexpr int not_found = 404;
constexpr auto time_to_delete = 45'000ms;  // besides the job's grace
constexpr int most_transfer_tries = 60;
constexpr auto transfer_pause = 5000ms;

std::string with_hint(const Error& error) {
  return error.hint().empty() ? error.what() : fmt::format("{} ({})", error.what(), error.hint());
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
void Step::transfer(Transfers::Work work, std::function<void()> done) {
  services_.transfers.add(
      variables(), work, [this, work, done, alive = std::weak_ptr<int>(alive_)](std::exception_ptr fault) {
        if (alive.expired() || state_ == State::ended) {
          return;
        }
        try {
          if (fault) {
            std::rethrow_exception(fault);
          }
          transfer_tries_ = 0;
          done();
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

// Where a remote is that is a part of the cluster; asked in the thread that speaks with it.
std::function<Environment()> Step::variables() const {
  return [claim = services_.settings.remote.starts_with("pvc://"), context = services_.context,
          name_space = order_.name_space, images = &services_.images, agent = order_.order.agent] {
    return claim ? Environment{{"MLPIPE_CLUSTER_CONTEXT", context},
                               {"MLPIPE_CLUSTER_NAMESPACE", name_space},
                               {"MLPIPE_AGENT_IMAGE", images->reference_of(agent)}}
                 : Environment{};
  };
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
        finish_cancelled();
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

void Step::read_control() {
  for (const std::string& line : control_->read_lines()) {
    if (line != "cancel" || cancelled_) {
      continue;
    }
    cancelled_ = true;
    // Nothing is known of a cluster that does not answer: the wait has an end.
    services_.api.loop().after(order_.grace + time_to_delete, [this, known = std::weak_ptr<int>(known_)] {
      const bool waits = !known.expired() && (state_ == State::creating || state_ == State::cancelling);
      if (waits) {
        log_->note(
            fmt::format("the Job {0} in namespace {1} may still be there: `kubectl delete job --namespace "
                        "{1} {0}`",
                        order_.name, order_.name_space));
        finish_cancelled();
      }
    });
    // What is being sent, made or collected is waited for: only then is it known what there is to delete.
    if (state_ == State::listing || state_ == State::watching) {
      cancel();
      return;
    }
  }
}

void Step::cancel() {
  if (uid_.empty()) {
    finish_cancelled();
    return;
  }
  delete_job([this] { look(); });
  state_ = State::cancelling;
}

void Step::finish_cancelled() {
  Ending ending;
  ending.cancelled = true;
  finish(ending);
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
  known_.reset();
  logs_.reset();
  ended_();
}

}  // namespace mlpipe
