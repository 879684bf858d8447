// How a step's Job comes to be: which number it has, what it works with, and what goes with it.
#include "pipeline/kubernetes/step.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/cluster/cluster_failure.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr int conflict = 409;
constexpr int not_found = 404;

}  // namespace

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
      fail(not_ours());
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
  const auto prepared = std::make_shared<Prepared>();
  const auto work = [prepared, images = &services_.images, order = order_.order, job = order_.name,
                     directory = directory_](Remote& remote) {
    const Made made = look_at_made(remote, job, order.nodes);
    if (made == Made::succeeded && !order.anew) {
      collect_job(remote, job, order.nodes, directory);
      prepared->state = Prepared::State::made;
    } else if (made != Made::nothing) {
      prepared->state = Prepared::State::passed_over;
    } else {
      prepared->image = images->reference_of(order.image);
      prepared->agent = images->reference_of(order.agent);
      send_job(remote, job, order, directory, "checkpoint-" + order.key);
    }
  };
  transfer(work, [this, prepared] { take_prepared(*prepared); });
}

void Step::take_prepared(const Prepared& prepared) {
  if (prepared.state == Prepared::State::made) {
    end();
    return;
  }
  if (cancelled_) {
    cancel();
    return;
  }
  if (prepared.state == Prepared::State::passed_over) {
    ++number_;
    state_ = State::listing;
    look();
    return;
  }
  order_.image = prepared.image;
  order_.agent = prepared.agent;
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
  if (answer.status == conflict) {
    take_up();
  } else if (answer.succeeded()) {
    uid_ = seen_job(Json::parse(answer.body, nullptr, false)).uid;
    begin_to_watch();
  } else {
    fail(cluster_failure(fmt::format("making the Job of {}", order_.order.step), words_of(answer)));
  }
}

// Another mlpipe was faster, or the answer to the first try was lost. The watch may not know it yet.
void Step::take_up() {
  ApiCall get;
  get.path = fmt::format("{}/{}", job_path(), order_.name);
  call(std::move(get), [this](const ApiAnswer& there) {
    if (there.status == not_found) {
      create();
      return;
    }
    if (!there.succeeded()) {
      fail(cluster_failure(fmt::format("looking at the Job {}", order_.name), words_of(there)));
      return;
    }
    const SeenJob job = seen_job(Json::parse(there.body, nullptr, false));
    if (job.key != order_.order.key) {
      fail(not_ours());
      return;
    }
    uid_ = job.uid;
    begin_to_watch();
  });
}

std::string Step::not_ours() const {
  return fmt::format("there is a Job {} in namespace {} that was not made for this step", order_.name,
                     order_.name_space);
}

void Step::begin_to_watch() {
  if (cancelled_) {
    cancel();
    return;
  }
  state_ = State::watching;
  watched_since_ = std::chrono::steady_clock::now();
  create_belongings();
  look_later();
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

}  // namespace mlpipe
