#include "server/http/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/write.hpp>
#include <iterator>
#include <string_view>
#include <utility>

namespace mlpipe {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

// What is read at a time: most requests come whole with the first, and an idle connection holds no more than
// that; large bodies come in larger pieces.
constexpr std::size_t first_read_bytes = std::size_t{16} << 10U;
constexpr std::size_t read_bytes = std::size_t{64} << 10U;
// How long connections stay open that are idle when the server stops: a client that sends without pause gets
// its next answer, with "Connection: close", instead of a reset.
constexpr std::chrono::milliseconds parting_time{250};
// How long what a client still sends is read and dropped after it was refused: closing at once would reset
// the connection and take the answer with it.
constexpr std::chrono::milliseconds closing_time{5'000};

// Whether the answer sends the client away for a while.
bool asks_to_try_later(const Response& response) {
  return response.status == 503 &&
         std::any_of(response.headers.begin(), response.headers.end(),
                     [](const Header& header) { return boost::beast::iequals(header.name, "Retry-After"); });
}

std::string text_of(boost::beast::string_view view) {
  return {view.data(), view.size()};
}

std::size_t count_of_headers(const http::fields& fields) {
  return static_cast<std::size_t>(std::distance(fields.begin(), fields.end()));
}

Request request_from(http::request<http::string_body> message) {
  Request request;
  request.method = text_of(message.method_string());
  std::string target = text_of(message.target());
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
    request.headers.push_back({text_of(field.name_string()), text_of(field.value())});
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace

Connection::Connection(TransportSocket socket, ConnectionScope& scope, std::shared_ptr<TlsContext> tls,
                       std::function<void(const std::shared_ptr<Connection>&)> on_end)
    : stream_(std::move(socket)),
      scope_(scope),
      tls_(std::move(tls)),
      on_end_(std::move(on_end)),
      since_(TransportClock::now().time_since_epoch().count()) {}

// What follows an operation. It keeps the connection alive until then; when it throws (out of memory), this
// connection ends and no other.
template <typename Action>
auto Connection::then(Action action) {
  return [self = shared_from_this(), action = std::move(action)](error_code error, std::size_t count = 0) {
    try {
      action(error, count);
    } catch (const std::exception&) {
      self->end();
    }
  };
}

void Connection::serve() {
  asio::dispatch(stream_.get_executor(), [next = then([this](error_code, std::size_t) {
                                            tls_ ? await_handshake() : begin_request();
                                          })] { next({}); });
}

void Connection::turn_away(int status, const std::string& why) {
  asio::dispatch(stream_.get_executor(), [next = then([this, status, why](error_code, std::size_t) {
                                            tls_ ? end() : refuse(status, why);
                                          })] { next({}); });
}

// A client that speaks HTTP to a port of TLS can still be told so: what it sent is looked at before TLS is.
void Connection::await_handshake() {
  enter(Phase::idle);
  const auto look = [this](error_code error, std::size_t) {
    constexpr char handshake_record = 0x16;
    char first = 0;
    if (error || ::recv(stream_.socket().native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
      end();
    } else if (first != handshake_record) {
      refuse(400, "request: this port speaks TLS, ask it by https://");
    } else {
      enter(Phase::receiving);
      stream_.async_handshake(
          *tls_, then([this](error_code failure, std::size_t) { failure ? end() : begin_request(); }));
    }
  };
  stream_.socket().async_wait(TransportSocket::wait_read, then(look));
}

void Connection::begin_request() {
  enter(received_.size() == 0 ? Phase::idle : Phase::receiving);
  hold(0);
  header_seen_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(scope_.limits.header_bytes));
  parser_->body_limit(scope_.limits.body_bytes);
  parse_received();
}

void Connection::parse_received() {
  error_code error;
  while (received_.size() > 0 && !parser_->is_done() && !error) {
    received_.consume(parser_->put(received_.data(), error));
  }
  const bool header_came = !header_seen_ && parser_->is_header_done();
  header_seen_ = header_seen_ || header_came;
  if (error == http::error::body_limit) {
    refuse(413, fmt::format("body: it is larger than {} bytes", scope_.limits.body_bytes));
  } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    refuse(431, fmt::format("headers: they are larger than {} bytes", scope_.limits.header_bytes));
  } else if (error == http::error::bad_version) {
    refuse(505, "request line: only HTTP/1.0 and HTTP/1.1 are spoken here");
  } else if (error && error != http::error::need_more) {
    refuse(400, fmt::format("request: it is not HTTP: {}", error.message()));
  } else if (header_came && count_of_headers(parser_->get()) > scope_.limits.headers) {
    refuse(431, fmt::format("headers: there are more than {} of them", scope_.limits.headers));
  } else if (parser_->is_done()) {
    answer();
  } else if (!hold(parser_->get().body().capacity())) {
    refuse(503, "body: the server is holding too much already, try again");
  } else if (header_came && parser_->get()[http::field::expect] == "100-continue") {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(go_on.data(), go_on.size()),
                      then([this](error_code failure, std::size_t) { failure ? end() : receive(); }));
  } else {
    receive();
  }
}

void Connection::receive() {
  if (client_left_) {
    end();
  } else if (!reading_) {
    read(header_seen_ ? read_bytes : first_read_bytes);
  }
}

void Connection::read(std::size_t most) {
  if (received_.size() == 0 && received_.capacity() > most) {
    received_.shrink_to_fit();
  }
  reading_ = true;
  stream_.async_read_some(received_.prepare(most), then([this](error_code error, std::size_t count) {
                            reading_ = false;
                            received_.commit(count);
                            received(error);
                          }));
}

void Connection::received(error_code error) {
  switch (phase_) {
    case Phase::idle:
    case Phase::receiving:
      if (error == asio::error::operation_aborted && phase_ == Phase::receiving) {
        refuse(408, "request: it took too long to arrive");
      } else if (error) {
        end();
      } else {
        if (phase_ == Phase::idle) {
          enter(Phase::receiving);
        }
        parse_received();
      }
      break;
    case Phase::answering:
    case Phase::sending:
    case Phase::held_off:
      client_left_ = static_cast<bool>(error);
      if (client_left_) {
        cancel_request();
      }
      break;
    case Phase::closing:
      if (error) {
        end();
      } else if (sending_ended_) {
        drop_what_comes();
      }
      break;
  }
}

void Connection::answer() {
  enter(Phase::answering);
  const unsigned version = parser_->get().version();
  const bool head_only = parser_->get().method() == http::verb::head;
  const bool keep_alive = parser_->keep_alive();
  Request request = request_from(parser_->release());
  cancellation_.emplace();
  request.cancelled = cancellation_->get_token();
  request.record = record_ = std::make_shared<RequestRecord>();
  const std::uint64_t number = ++request_number_;
  const Respond respond = [self = shared_from_this(), number, version, keep_alive,
                           head_only](Response response) {
    // Inline when the strand's own thread answers, which is how most do.
    asio::dispatch(self->stream_.get_executor(), [self, number, version, keep_alive, head_only,
                                                  answered = std::move(response)]() mutable {
      self->then([&](error_code, std::size_t) {
        if (self->phase_ == Phase::answering && self->request_number_ == number) {
          self->send(std::move(answered), version, keep_alive && !self->scope_.stopping, head_only);
        }
      })({});
    });
  };
  try {
    scope_.handler.answer(std::move(request), respond);
  } catch (const std::exception& failure) {
    respond(scope_.handler.refuse(500, failure.what(), record_.get()));
  }
  if (phase_ == Phase::answering) {
    read_ahead();
  }
}

// Begins to read the next request while this one is being answered: a client that hangs up meanwhile ends its
// request. Of one that sends its next request early no more than the first piece is read.
void Connection::read_ahead() {
  if (received_.size() == 0 && !reading_) {
    read(first_read_bytes);
  }
}

// Nobody has to wait for an answer longer than the limit, whatever becomes of it.
void Connection::give_up() {
  cancel_request();
  refuse(504, "request: it took too long to answer");
}

void Connection::refuse(int status, const std::string& why) {
  constexpr unsigned http_1_1 = 11;
  send(scope_.handler.refuse(status, why, record_.get()), http_1_1, false, false);
}

void Connection::send(Response response, unsigned version, bool keep_alive, bool head_only) {
  hold(0);  // the request is no longer held
  record_ = nullptr;
  enter(Phase::sending);
  const bool try_later = asks_to_try_later(response);
  message_ = Message(static_cast<http::status>(response.status), version);
  for (const Header& header : response.headers) {
    message_.insert(header.name, header.value);
  }
  if (message_.result() != http::status::no_content) {  // which has neither
    message_.set(http::field::content_type, response.content_type);
    message_.content_length(response.body.size());
  }
  message_.keep_alive(keep_alive);
  if (!head_only) {
    message_.body() = std::move(response.body);
  }
  http::async_write(stream_, message_, then([this, keep_alive, try_later](error_code error, std::size_t) {
                      if (error) {
                        end();
                      } else if (keep_alive && try_later) {
                        enter(Phase::held_off);
                        scope_.hold_off(shared_from_this());
                      } else if (keep_alive) {
                        begin_request();
                      } else {
                        part();
                      }
                    }));
}

void Connection::go_on() {
  asio::post(stream_.get_executor(), [next = then([this](error_code, std::size_t) {
                                        if (phase_ == Phase::held_off) {
                                          begin_request();
                                        }
                                      })] { next({}); });
}

// Says that no more will come, and waits until the client has read it.
void Connection::part() {
  enter(Phase::closing);
  hold(0);
  if (stream_.is_encrypted()) {
    stream_.async_shutdown(then([this](error_code, std::size_t) { end_sending(); }));
  } else {
    end_sending();
  }
}

void Connection::end_sending() {
  sending_ended_ = true;
  error_code error;
  stream_.socket().shutdown(TransportSocket::shutdown_send, error);
  error ? end() : drop_what_comes();
}

void Connection::drop_what_comes() {
  if (reading_) {
    return;  // which goes on here
  }
  received_.clear();
  stream_.socket().async_read_some(received_.prepare(read_bytes), then([this](error_code error, std::size_t) {
                                     error ? end() : drop_what_comes();
                                   }));
}

void Connection::end() {
  error_code ignored;
  stream_.socket().close(ignored);
  if (const auto report = std::exchange(on_end_, nullptr)) {
    report(shared_from_this());
  }
}

void Connection::enter(Phase phase) {
  since_ = TransportClock::now().time_since_epoch().count();
  phase_ = phase;
}

// Accounts for the body that this connection holds; false when all connections together hold too much.
bool Connection::hold(std::size_t bytes) {
  scope_.buffered += bytes - std::exchange(held_, bytes);
  return bytes == 0 || scope_.buffered <= scope_.limits.buffered_bytes;
}

std::chrono::milliseconds Connection::limit_of(Phase phase) const {
  switch (phase) {
    case Phase::idle:
      return scope_.stopping ? std::min(parting_time, scope_.limits.idle) : scope_.limits.idle;
    case Phase::receiving:
      return scope_.limits.receiving;
    case Phase::sending:
      return scope_.limits.sending;
    case Phase::closing:
      return scope_.stopping ? parting_time : closing_time;
    case Phase::answering:
      return scope_.limits.answering;
    case Phase::held_off:
      break;
  }
  return std::chrono::hours(24);  // whoever holds it off lets it go on
}

bool Connection::is_overdue() const {
  const Phase phase = phase_;
  TransportClock::rep start = since_;
  if (scope_.stopping && phase == Phase::idle) {
    start = std::max<TransportClock::rep>(start, scope_.stopped_at);
  }
  return TransportClock::now() >
         TransportClock::time_point(TransportClock::duration(start)) + limit_of(phase);
}

void Connection::end_if_overdue() {
  if (is_overdue()) {
    asio::post(stream_.get_executor(), [next = then([this](error_code, std::size_t) {
                                          error_code ignored;
                                          if (!is_overdue()) {
                                            return;  // something has begun since
                                          }
                                          if (phase_ == Phase::answering) {
                                            give_up();
                                          } else {
                                            stream_.socket().cancel(ignored);
                                          }
                                        })] { next({}); });
  }
}

}  // namespace mlpipe
