#include "server/protocol/inference_call.hpp"

#include <fmt/format.h>

#include <utility>

#include "server/protocol/failure.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {
namespace {

ExamplesToScore read_examples(const ModelVersion& version, const std::function<ExamplesToScore()>& read) {
  try {
    if (!version.has_room()) {
      throw QueueFull("the model's queue is full, try again");
    }
    return read();
  } catch (...) {
    version.count_failure();
    throw;
  }
}

using Place = std::function<std::string(std::size_t example)>;

// An example that has no score is what the request is to blame for.
std::exception_ptr blamed(const std::exception_ptr& failure, const Place& place) {
  try {
    std::rethrow_exception(failure);
  } catch (const UnscorableExample& unscorable) {
    return std::make_exception_ptr(RequestError(
        400, fmt::format("{}: {}: {}", place(unscorable.index()), unscorable.what(), unscorable.hint())));
  } catch (...) {
    return failure;
  }
}

}  // namespace

void tell_who_answers(const Request& request, const ModelVersion& version, std::span<const float> rows,
                      std::size_t count) {
  if (request.record) {
    request.record->model = version.model().name;
    request.record->version = version.label();
  }
  if (request.keep && count == 1) {
    request.keep(version.model().name, version.label(), rows);
  }
}

void submit_examples(const std::shared_ptr<const ModelVersion>& version,
                     const std::function<ExamplesToScore()>& read, std::stop_token cancelled,
                     ScoresDone done) {
  ExamplesToScore examples = read_examples(*version, read);
  InferenceTask task;
  task.rows = std::move(examples.rows);
  task.count = examples.count;
  task.deadline = examples.deadline;
  task.cancelled = std::move(cancelled);
  task.done = [place = std::move(examples.place), done = std::move(done)](const std::exception_ptr& failure,
                                                                          const Inference& inference) {
    done(failure ? blamed(failure, place) : nullptr, inference);
  };
  version->submit(std::move(task));
}

void answer_inference(const std::shared_ptr<const ModelVersion>& version, const Request& request,
                      const std::function<InferenceCall()>& read, const Respond& respond) {
  const auto write = std::make_shared<std::function<Response(const Inference&)>>();
  const auto read_and_keep = [&] {
    InferenceCall call = read();
    *write = std::move(call.write);
    tell_who_answers(request, *version, call.rows, call.count);
    return static_cast<ExamplesToScore&&>(call);
  };
  submit_examples(
      version, read_and_keep, request.cancelled,
      [version, write, respond, route = request.record ? request.record->route : std::string("inference")](
          const std::exception_ptr& failure, const Inference& inference) {
        Response response;
        try {
          if (failure) {
            std::rethrow_exception(failure);
          }
          response = (*write)(inference);
        } catch (...) {
          response = response_to(std::current_exception(), route);
        }
        respond(std::move(response));
      });
}

}  // namespace mlpipe
