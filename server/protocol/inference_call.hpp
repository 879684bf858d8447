#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/version.hpp"
#include "server/http/message.hpp"

namespace mlpipe {

// Examples that one request brought, and how its answer is written.
struct InferenceCall {
  std::vector<float> rows;  // FP32 [count, values], raw
  std::size_t count = 0;
  EngineClock::time_point deadline = EngineClock::time_point::max();
  // Where in the request an example stands, for messages: "data[3]".
  std::function<std::string(std::size_t example)> place;
  std::function<Response(const Inference&)> write;
};

// Reads the call out of the request with `read`, submits it to the version and responds when it is computed;
// whatever goes wrong on the way becomes the answer. A full queue is told before anything is read.
void answer_inference(const std::shared_ptr<const ModelVersion>& version, const Request& request,
                      const std::function<InferenceCall()>& read, const Respond& respond);

}  // namespace mlpipe
