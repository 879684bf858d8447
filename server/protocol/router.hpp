#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.hpp"
#include "server/protocol/metrics.hpp"

namespace mlpipe {

// What stood in the path where the route has a "{name}", decoded, in order.
using PathValues = std::vector<std::string>;

struct Route {
  std::string method;   // "GET", which answers HEAD too, or "POST"
  std::string pattern;  // "/v2/models/{name}/infer"
  std::function<Response(const Request&, const PathValues&)> answer;
};

// Finds who answers a request, and turns what they throw into an answer: 404 and 405 for what no route has,
// RequestError into its status, any other failure into 500. Counts every request. Thread-safe.
class Router {
 public:
  // The metrics must outlive the router.
  Router(std::vector<Route> routes, Metrics& metrics);

  Response answer(const Request& request) const;
  // For what the transport turned down before it was a request.
  Response refuse(int status, std::string_view why) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> parts;
  };

  Response dispatch(const Request& request, std::string& pattern) const;

  std::vector<Entry> entries_;
  Metrics& metrics_;
};

}  // namespace mlpipe
