#pragma once

#include "pipeline/model/model.hpp"
#include "server/http/message.hpp"
#include "server/protocol/v2/infer.hpp"

namespace mlpipe {

// How an inference travels over HTTP: JSON, whose tensors may stand as bytes behind it (the protocol's binary
// tensor extension; Inference-Header-Content-Length says how long the JSON is). Without any JSON, length 0,
// all of the body is the one input, of as many examples as there are bytes for.

// Throws RequestError. The values of binary tensors stay in the request's body.
InferRequest read_http_infer(const Request& request, const Model& model);

Response write_http_infer(const InferAnswer& answer);

}  // namespace mlpipe
