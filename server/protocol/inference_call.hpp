#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "server/engine/version.hpp"
#include "server/http/message.hpp"

namespace mlpipe {

// Examples that one request brought.
struct ExamplesToScore {
  std::vector<float> rows;  // FP32 [count, values], raw
  std::size_t count = 0;
  EngineClock::time_point deadline = EngineClock::time_point::max();
  // Where in the request an example stands, for messages: "data[3]".
  std::function<std::string(std::size_t example)> place;
};

// The same, and how their answer is written.
struct InferenceCall : ExamplesToScore {
  std::function<Response(const Inference&)> write;
};

// Says in the request's record, where it has one, who answers it, and hands on the example to whoever keeps
// it. rows: FP32 [count, values].
void tell_who_answers(const Request& request, const ModelVersion& version, std::span<const float> rows,
                      std::size_t count);

// Gets the inference, or why there is none; RequestError where it is the request's fault.
using ScoresDone = std::function<void(const std::exception_ptr& failure, const Inference& inference)>;

// Reads the examples with `read` and submits them to the version. A full queue is told before anything is
// read. What it throws has been counted as a failure of the version, and `done` is not called then.
void submit_examples(const std::shared_ptr<const ModelVersion>& version,
                     const std::function<ExamplesToScore()>& read, std::stop_token cancelled,
                     ScoresDone done);

// Reads the call out of the request with `read`, submits it to the version and responds when it is computed;
// what goes wrong from then on becomes the answer. Throws as submit_examples does.
void answer_inference(const std::shared_ptr<const ModelVersion>& version, const Request& request,
                      const std::function<InferenceCall()>& read, const Respond& respond);

}  // namespace mlpipe
