#include "server/protocol/inference_call.hpp"

#include <fmt/format.h>

#include <utility>

#include "server/protocol/input.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {
namespace {

InferenceCall read_call(const ModelVersion& version, const std::function<InferenceCall()>& read) {
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

Response written(const InferenceCall& call, const std::exception_ptr& failure, const Inference& inference) {
  if (!failure) {
    return call.write(inference);
  }
  try {
    std::rethrow_exception(failure);
  } catch (const UnscorableExample& unscorable) {
    throw RequestError(
        400, fmt::format("{}: {}: {}", call.place(unscorable.index()), unscorable.what(), unscorable.hint()));
  }
}

}  // namespace

void answer_inference(const std::shared_ptr<const ModelVersion>& version, const Request& request,
                      const std::function<InferenceCall()>& read, const Respond& respond) {
  if (request.record) {
    request.record->model = version->model().name;
    request.record->version = version->label();
  }
  const auto call = std::make_shared<InferenceCall>(read_call(*version, read));
  InferenceTask task;
  task.rows = std::move(call->rows);
  task.count = call->count;
  task.deadline = call->deadline;
  task.cancelled = request.cancelled;
  task.done = [version, call, respond, path = request.path](const std::exception_ptr& failure,
                                                            const Inference& inference) {
    Response response;
    try {
      response = written(*call, failure, inference);
    } catch (...) {
      response = response_to(std::current_exception(), path);
    }
    respond(std::move(response));
  };
  version->submit(std::move(task));
}

}  // namespace mlpipe
