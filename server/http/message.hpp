#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

struct Header {
  std::string name;
  std::string value;
};

// The trace that a client says its request belongs to (W3C Trace Context); no id: it says nothing of one.
struct RequestTrace {
  std::string id;
  std::string span;    // the server's own
  std::string parent;  // the client's
  std::string flags;
  std::string state;
};

// What is said of a request in the log. Who knows something puts it in before the request is answered, and
// never from two threads at once.
struct RequestRecord {
  std::string id;
  std::string method;
  std::string route;  // the route's pattern, never what the client sent
  std::string model;
  std::string version;
  RequestTrace trace;
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  std::atomic<bool> is_answered{false};  // by whomever: what else answers it reaches nobody
};

// Takes the one example that a request brought, raw, and who answers it, for as long as feedback may come to
// it.
using KeepExample =
    std::function<void(const std::string& model, const std::string& version, std::span<const float> values)>;

// One HTTP request, read whole. A value: nothing in it belongs to the transport.
struct Request {
  std::string method;  // "GET"
  std::string path;    // as it was sent, up to the '?'; not decoded
  std::string query;   // after the '?'
  std::vector<Header> headers;
  std::string body;
  // Requested when the client is gone before it was answered: nobody waits for the work any more.
  std::stop_token cancelled = {};
  std::shared_ptr<RequestRecord> record = {};  // null when nothing is logged
  KeepExample keep = {};                       // null when nobody wants to know

  // The value of the first header of that name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<Header> headers = {};  // besides Content-Type and Content-Length
};

// Takes the answer to one request: called once, by any thread, at once or later.
using Respond = std::function<void(Response)>;

}  // namespace mlpipe
