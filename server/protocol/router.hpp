#pragma once

#include <exception>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.hpp"
#include "server/protocol/failure.hpp"
#include "server/protocol/metrics.hpp"

namespace mlpipe {

// What stood in the path where the route has a "{name}", decoded, in order.
using PathValues = std::vector<std::string>;

// Answers at once; what it throws becomes the answer, see response_to.
using AnswerAtOnce = std::function<Response(const Request&, const PathValues&)>;
// Answers when it can, by `respond`. What it throws before that becomes the answer; what fails later it
// answers itself, with response_to.
using AnswerLater = std::function<void(const Request&, const PathValues&, const Respond& respond)>;

struct DocumentedModels;
// What the OpenAPI document says of a route, see operations.hpp.
using DescribeOperation = nlohmann::ordered_json (*)(const DocumentedModels& models);

struct Route {
  Route(std::string method, std::string pattern, AnswerAtOnce answer, DescribeOperation describe = nullptr);
  Route(std::string method, std::string pattern, AnswerLater answer, DescribeOperation describe = nullptr);

  std::string method;   // "GET", which answers HEAD too, "POST" or "DELETE"
  std::string pattern;  // "/v2/models/{name}/infer"
  AnswerLater answer;
  DescribeOperation describe;  // null: it is in no document
};

// {"error": …} of that status, with Retry-After where trying again may help.
Response failure_response(const Failure& failure);
// What a failure is answered with, see failure_of.
Response response_to(const std::exception_ptr& failure, const std::string& pattern);

// Finds who answers a request, and turns what they throw into an answer; 404 and 405 for what no route has.
// Counts every request. Thread-safe.
class Router {
 public:
  // The metrics must outlive the router and every request.
  Router(std::vector<Route> routes, Metrics& metrics);

  void answer(const Request& request, const Respond& respond) const;
  // "GET /metrics" and all the others, in their order.
  std::vector<std::string> routes() const;
  // For what the transport turned down before it was a request.
  Response refuse(int status, std::string_view why) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> parts;
  };

  struct Found {
    const Entry* entry = nullptr;  // null: nobody answers this
    PathValues values;
    std::vector<std::string> allowed;  // methods, when the path alone is known
    std::string pattern = "other";
  };

  Found find(const Request& request) const;

  std::vector<Entry> entries_;
  Metrics& metrics_;
};

}  // namespace mlpipe
