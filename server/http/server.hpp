#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "pipeline/base/file.hpp"
#include "server/http/current.hpp"
#include "server/http/message.hpp"
#include "server/http/tls.hpp"

namespace mlpipe {

// What a client may take of the server before it is turned away.
struct HttpLimits {
  std::size_t body_bytes = std::size_t{16} << 20U;       // of one request, else 413
  std::size_t header_bytes = std::size_t{16} << 10U;     // of one request, else 431
  std::size_t headers = 100;                             // of one request, else 431
  std::size_t buffered_bytes = std::size_t{512} << 20U;  // bodies of all requests together, else 503
  std::size_t connections = 10'000;                      // else 503
  // How long at least a connection is left unread after a 503 that asked its client to try again later.
  std::chrono::milliseconds held_off{100};
  std::chrono::milliseconds idle{75'000};  // between requests, then the connection is closed
  // A request from its first byte to its last, else 408; a TLS handshake too, else the connection is closed.
  std::chrono::milliseconds receiving{30'000};
  // From a request's last byte to its answer, else 504 and the request is cancelled.
  std::chrono::milliseconds answering{std::chrono::hours(24)};
  std::chrono::milliseconds sending{30'000};  // an answer, then the connection is closed
};

// What answers requests. Both are called from several threads at once.
struct HttpHandler {
  // Gives the answer to `respond`, at once or later, from any thread. Runs on a thread of the transport: what
  // waits in it keeps other connections waiting.
  std::function<void(Request, Respond)> answer;
  // The answer to what never became a request: malformed, too large, too slow; and in place of the answer to
  // a request, whose record it gets: 500 when `answer` throws, 504 when it takes too long.
  std::function<Response(int status, std::string_view why, RequestRecord* request)> refuse;
};

// HTTP/1.1 over one listening socket: asynchronous connections with keep-alive and pipelining, read and
// written by `threads` threads; under TLS when that is given: each
// connection begins with what is current then.
class HttpServer {
 public:
  HttpServer(FileDescriptor listening_socket, HttpHandler handler, HttpLimits limits, unsigned threads,
             std::shared_ptr<const Current<TlsContext>> tls = nullptr);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // stops without grace

  // Runs the action soon, on one of the server's threads, between what they do for connections. Not after
  // stop().
  void post(std::function<void()> action);

  // Accepts what is already queued and no more, answers what is under way and what clients send on
  // connections they keep open within the moment that these are left open, and returns when all is answered
  // or `grace` is over; then requests are cancelled that are still being answered. May be called once.
  // Whoever answers later must have ended before the server does.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace mlpipe
