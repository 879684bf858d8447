#include "server/http/server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Strand = asio::strand<asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Strand>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Strand>;
using Parser = http::request_parser<http::string_body>;
// GCC 12 destroys temporaries of a co_await twice, or not at all, where they stand in braces or in a
// condition: in what follows, both are given a name first.
template <typename T>
using Task = asio::awaitable<T, Strand>;

constexpr asio::use_awaitable_t<Strand> use_task;
constexpr std::size_t read_bytes = std::size_t{64} << 10U;
// How long connections stay open that are idle when the server stops: a client that sends without pause gets
// its next answer, with "Connection: close", instead of a reset.
constexpr std::chrono::milliseconds parting_time{250};
// How long what a client still sends is read and dropped after it was refused: closing at once would reset
// the connection and take the answer with it.
constexpr std::chrono::milliseconds closing_time{5'000};

// Room for request bodies, shared by all connections; what one took it gives back on destruction.
class BufferShare {
 public:
  BufferShare(std::atomic<std::size_t>& used, std::size_t limit) : used_(used), limit_(limit) {}
  BufferShare(const BufferShare&) = delete;
  BufferShare& operator=(const BufferShare&) = delete;
  ~BufferShare() { used_ -= mine_; }

  // False when there is no room left.
  bool grow_to(std::size_t bytes) {
    if (bytes > mine_) {
      used_ += bytes - std::exchange(mine_, bytes);
    }
    return used_ <= limit_;
  }

 private:
  std::atomic<std::size_t>& used_;
  std::size_t limit_;
  std::size_t mine_ = 0;
};

// What a connection is doing; each but answering has a time limit, kept by HttpServer::Implementation::sweep.
enum class Phase { idle, receiving, answering, sending, closing };

struct Connection {
  explicit Connection(Socket connected) : socket(std::move(connected)) {}

  void enter(Phase next) {
    since = Clock::now().time_since_epoch().count();
    phase = next;
  }
  Clock::time_point phase_start() const { return Clock::time_point(Clock::duration(since)); }

  Socket socket;
  boost::beast::flat_buffer received;
  std::atomic<Phase> phase{Phase::idle};
  std::atomic<Clock::rep> since{Clock::now().time_since_epoch().count()};
};

// Why a request was turned down before it was one.
struct Refusal {
  int status;
  std::string why;
};

Refusal refusal_for(const error_code& error, const HttpLimits& limits) {
  if (error == http::error::body_limit) {
    return {413, fmt::format("body: it is larger than {} bytes", limits.body_bytes)};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, fmt::format("headers: they are larger than {} bytes", limits.header_bytes)};
  }
  if (error == http::error::bad_version) {
    return {505, "request line: only HTTP/1.0 and HTTP/1.1 are spoken here"};
  }
  return {400, fmt::format("request: it is not HTTP: {}", error.message())};
}

Request request_from(http::request<http::string_body> message) {
  const auto text = [](boost::beast::string_view view) { return std::string(view.data(), view.size()); };
  Request request;
  request.method = text(message.method_string());
  std::string target = text(message.target());
  if (target.starts_with("http://")) {  // the absolute form, which proxies send
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string::npos ? "/" : target.substr(slash);
  }
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) {
    request.query = target.substr(question + 1);
  }
  for (const auto& field : message) {
    request.headers.push_back({text(field.name_string()), text(field.value())});
  }
  request.body = std::move(message.body());
  return request;
}

http::response<http::string_body> message_from(Response response, unsigned version, bool keep_alive,
                                               bool head_only) {
  http::response<http::string_body> message(static_cast<http::status>(response.status), version);
  for (const Header& header : response.headers) {
    message.set(header.name, header.value);
  }
  message.set(http::field::content_type, response.content_type);
  message.content_length(response.body.size());
  message.keep_alive(keep_alive);
  if (!head_only) {
    message.body() = std::move(response.body);
  }
  return message;
}

}  // namespace

struct HttpServer::Implementation {
  Implementation(FileDescriptor listening_socket, HttpHandler handler_, HttpLimits limits_, unsigned threads)
      : handler(std::move(handler_)),
        limits(limits_),
        io(static_cast<int>(threads)),
        strand(asio::make_strand(io)),
        acceptor(strand),
        timer(strand) {
    int family = 0;
    socklen_t size = sizeof family;
    ::getsockopt(listening_socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
    const auto protocol = family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    acceptor.assign(protocol, listening_socket.release());
    acceptor.non_blocking(true);
    asio::co_spawn(strand, accept_connections(), asio::detached);
    asio::co_spawn(strand, sweep(), asio::detached);
    for (unsigned i = 0; i < threads; ++i) {
      workers.emplace_back([this] { io.run(); });
    }
  }

  ~Implementation() {
    stopping = true;
    io.stop();
    workers.clear();
    connections.clear();  // their sockets must not outlive the io_context
  }

  Task<void> accept_connections() {
    while (!stopping) {
      error_code error;
      Socket socket =
          co_await acceptor.async_accept(asio::make_strand(io), asio::redirect_error(use_task, error));
      if (!error) {
        start(std::move(socket));
      } else if (error != asio::error::operation_aborted && error != asio::error::connection_aborted) {
        // Out of descriptors or memory: leave the client in the queue and try again when some may be free.
        asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand> pause(strand);
        pause.expires_after(std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::redirect_error(use_task, error));
      }
    }
    // Who was let in by the kernel before the stop is served too.
    error_code error;
    while (!error) {
      Socket socket(asio::make_strand(io));
      acceptor.accept(socket, error);
      if (!error) {
        start(std::move(socket));
      }
    }
    acceptor.close(error);
    const std::lock_guard lock(mutex);
    accepting = false;
    changed.notify_all();
  }

  void start(Socket socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const Strand own = socket.get_executor();
    auto connection = std::make_shared<Connection>(std::move(socket));
    bool room = true;
    {
      const std::lock_guard lock(mutex);
      room = connections.size() < limits.connections;
      connections.insert(connection);
    }
    asio::co_spawn(own, run(std::move(connection), room), asio::detached);
  }

  Task<void> run(std::shared_ptr<Connection> connection, bool room) {
    try {
      if (room) {
        co_await serve(*connection);
      } else {
        Refusal refusal{503, "connections: too many are open, try again"};
        co_await refuse(*connection, std::move(refusal));
      }
    } catch (const std::exception&) {
      // Out of memory, or the peer is gone in a way that has no error code: this connection ends, no other.
    }
    error_code ignored;
    connection->socket.close(ignored);
    const std::lock_guard lock(mutex);
    connections.erase(connection);
    changed.notify_all();
  }

  // One request after the other, until either side has had enough.
  Task<void> serve(Connection& connection) {
    for (bool keep_alive = true; keep_alive;) {
      connection.enter(connection.received.size() == 0 ? Phase::idle : Phase::receiving);
      BufferShare share(buffered, limits.buffered_bytes);
      Parser parser;
      parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
      parser.body_limit(limits.body_bytes);
      std::optional<Refusal> refusal;
      const bool received = co_await receive(connection, parser, share, refusal);
      if (!received) {
        co_return;
      }
      if (refusal) {
        co_await refuse(connection, std::move(*refusal));
        co_return;
      }
      const unsigned version = parser.get().version();
      const bool head_only = parser.get().method() == http::verb::head;
      const bool wants_more = parser.keep_alive();
      connection.enter(Phase::answering);
      Response response = answer(request_from(parser.release()));
      keep_alive = wants_more && !stopping;
      const bool sent =
          co_await send(connection, message_from(std::move(response), version, keep_alive, head_only));
      if (!sent) {
        co_return;
      }
    }
    co_await part(connection);
  }

  // Reads one request. False when the connection is to be closed without a word.
  Task<bool> receive(Connection& connection, Parser& parser, BufferShare& share,
                     std::optional<Refusal>& refusal) {
    bool header_seen = false;
    error_code error;
    while (true) {
      while (connection.received.size() > 0 && !parser.is_done() && !error) {
        connection.received.consume(parser.put(connection.received.data(), error));
      }
      if (error && error != http::error::need_more) {
        refusal = refusal_for(error, limits);
        co_return true;
      }
      if (parser.is_done()) {
        co_return true;
      }
      if (!share.grow_to(parser.get().body().capacity())) {
        refusal = Refusal{503, "body: the server is holding too much already, try again"};
        co_return true;
      }
      if (!header_seen && parser.is_header_done()) {
        header_seen = true;
        if (parser.get()[http::field::expect] == "100-continue") {
          co_await send_text(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        }
      }
      const std::size_t count = co_await connection.socket.async_read_some(
          connection.received.prepare(read_bytes), asio::redirect_error(use_task, error));
      connection.received.commit(count);
      if (error == asio::error::operation_aborted && connection.phase == Phase::receiving && !stopping_hard) {
        refusal = Refusal{408, "request: it took too long to arrive"};
        co_return true;
      }
      if (error) {
        co_return false;
      }
      if (connection.phase == Phase::idle) {
        connection.enter(Phase::receiving);
      }
    }
  }

  Response answer(const Request& request) {
    try {
      return handler.answer(request);
    } catch (const std::exception& failure) {
      return handler.refuse(500, failure.what());
    }
  }

  Task<void> refuse(Connection& connection, Refusal refusal) {
    const bool sent = co_await send(
        connection, message_from(handler.refuse(refusal.status, refusal.why), 11, false, false));
    if (sent) {
      co_await part(connection);
    }
  }

  // False when the client is gone or too slow.
  Task<bool> send(Connection& connection, http::response<http::string_body> message) {
    connection.enter(Phase::sending);
    error_code error;
    co_await http::async_write(connection.socket, message, asio::redirect_error(use_task, error));
    co_return !error;
  }

  Task<void> send_text(Connection& connection, std::string_view text) {
    error_code error;  // the next read tells whether the client is gone
    co_await asio::async_write(connection.socket, asio::buffer(text.data(), text.size()),
                               asio::redirect_error(use_task, error));
  }

  // Says that no more will come, and waits until the client has read it.
  Task<void> part(Connection& connection) {
    connection.enter(Phase::closing);
    error_code error;
    connection.socket.shutdown(Socket::shutdown_send, error);
    std::array<char, 16384> dropped{};
    while (!error) {
      co_await connection.socket.async_read_some(asio::buffer(dropped),
                                                 asio::redirect_error(use_task, error));
    }
  }

  std::chrono::milliseconds limit_of(Phase phase) const {
    switch (phase) {
      case Phase::idle:
        return stopping ? std::min(parting_time, limits.idle) : limits.idle;
      case Phase::receiving:
        return limits.receiving;
      case Phase::sending:
        return limits.sending;
      case Phase::closing:
        return stopping ? parting_time : closing_time;
      case Phase::answering:
        break;
    }
    return std::chrono::hours(24);
  }

  bool is_overdue(const Connection& connection) const {
    const Phase phase = connection.phase;
    Clock::time_point start = connection.phase_start();
    if (stopping && phase == Phase::idle) {
      start = std::max(start, Clock::time_point(Clock::duration(stopped_at)));
    }
    return Clock::now() > start + limit_of(phase);
  }

  // Ends what takes too long. One timer for all connections: setting one for each request would cost it a
  // system call.
  Task<void> sweep() {
    const auto shortest = std::min({limits.idle, limits.receiving, limits.sending});
    const auto calm = std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(500));
    while (!stopping_hard) {
      timer.expires_after(stopping ? std::min(calm, parting_time / 10) : calm);
      error_code ignored;
      co_await timer.async_wait(asio::redirect_error(use_task, ignored));
      const std::lock_guard lock(mutex);
      for (const std::shared_ptr<Connection>& connection : connections) {
        if (is_overdue(*connection)) {
          asio::post(connection->socket.get_executor(), [this, connection] {
            error_code also_ignored;
            if (is_overdue(*connection)) {  // on its own strand nothing can have begun since
              connection->socket.cancel(also_ignored);
            }
          });
        }
      }
    }
  }

  void stop(std::chrono::milliseconds grace) {
    stopped_at = Clock::now().time_since_epoch().count();
    stopping = true;
    asio::post(strand, [this] {
      error_code ignored;
      acceptor.cancel(ignored);
      timer.cancel();
    });
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, grace, [this] { return !accepting && connections.empty(); });
    }
    stopping_hard = true;
    io.stop();
    workers.clear();
  }

  HttpHandler handler;
  HttpLimits limits;
  std::atomic<bool> stopping{false};
  std::atomic<bool> stopping_hard{false};
  std::atomic<Clock::rep> stopped_at{0};
  std::atomic<std::size_t> buffered{0};
  std::mutex mutex;
  std::condition_variable changed;
  bool accepting = true;                                        // under the mutex
  std::unordered_set<std::shared_ptr<Connection>> connections;  // under the mutex
  asio::io_context io;
  Strand strand;  // of the acceptor and the timer
  Acceptor acceptor;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand> timer;
  std::vector<std::jthread> workers;  // last: they end first
};

HttpServer::HttpServer(FileDescriptor listening_socket, HttpHandler handler, HttpLimits limits,
                       unsigned threads)
    : implementation_(std::make_unique<Implementation>(std::move(listening_socket), std::move(handler),
                                                       limits, threads)) {}

HttpServer::~HttpServer() = default;

void HttpServer::stop(std::chrono::milliseconds grace) {
  implementation_->stop(grace);
}

}  // namespace mlpipe
