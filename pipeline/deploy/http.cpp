#include "pipeline/deploy/http.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "pipeline/base/scalar.hpp"

namespace mlpipe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Request = http::request<http::string_body>;

constexpr unsigned http_1_1 = 11;
constexpr std::uint64_t largest_answer = std::uint64_t{1} << 30U;

Request request_for(http::verb verb, const std::string& host, const std::string& path,
                    const std::string& token) {
  Request request(verb, path, http_1_1);
  request.set(http::field::host, host);
  request.set(http::field::connection, "close");
  if (!token.empty()) {
    request.set(http::field::authorization, "Bearer " + token);
  }
  return request;
}

// Servers of this machine are named by number, so nothing is ever looked up.
asio::ip::address address_of(const std::string& host, boost::system::error_code& error) {
  return asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
}

template <typename Stream>
std::optional<HttpReply> exchange(const typename Stream::endpoint_type& server, const Request& request,
                                  std::chrono::milliseconds timeout) {
  boost::system::error_code failure;
  asio::io_context io(1);
  Stream stream(io);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  answer.body_limit(largest_answer);
  stream.expires_after(timeout);
  stream.async_connect(server, [&](boost::system::error_code connected) {
    failure = connected;
    if (failure) {
      return;
    }
    http::async_write(stream, request, [&](boost::system::error_code written, std::size_t) {
      failure = written;
      if (failure) {
        return;
      }
      http::async_read(stream, buffer, answer,
                       [&](boost::system::error_code read, std::size_t) { failure = read; });
    });
  });
  io.run();
  if (failure) {
    return std::nullopt;
  }
  return HttpReply{static_cast<int>(answer.get().result_int()), std::move(answer.get().body())};
}

std::optional<HttpReply> exchange(const std::string& host, int port, const Request& request,
                                  std::chrono::milliseconds timeout) {
  boost::system::error_code failure;
  const asio::ip::tcp::endpoint server(address_of(host, failure), static_cast<std::uint16_t>(port));
  return failure ? std::nullopt : exchange<beast::tcp_stream>(server, request, timeout);
}

void set_json(Request& request, std::string_view json) {
  request.set(http::field::content_type, "application/json");
  request.body() = json;
  request.prepare_payload();
}

using LocalStream = beast::basic_stream<asio::local::stream_protocol>;

}  // namespace

std::optional<HttpReply> http_get(const std::string& host, int port, const std::string& path,
                                  const std::string& token, std::chrono::milliseconds timeout) {
  return exchange(host, port, request_for(http::verb::get, host, path, token), timeout);
}

std::optional<HttpReply> http_post(const std::string& host, int port, const std::string& path,
                                   std::string_view json, const std::string& token,
                                   std::chrono::milliseconds timeout) {
  Request request = request_for(http::verb::post, host, path, token);
  set_json(request, json);
  return exchange(host, port, request, timeout);
}

std::optional<HttpReply> http_post_to(const std::string& address, const std::string& path,
                                      std::string_view json, std::chrono::milliseconds timeout) {
  constexpr std::string_view scheme = "http://";
  const std::size_t colon = address.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(std::string_view(address).substr(colon + 1));
  if (!address.starts_with(scheme) || colon < scheme.size() || !port) {
    return std::nullopt;
  }
  return http_post(address.substr(scheme.size(), colon - scheme.size()), static_cast<int>(*port), path, json,
                   "", timeout);
}

std::optional<HttpReply> http_get_at(const std::filesystem::path& socket, const std::string& path,
                                     std::chrono::milliseconds timeout) {
  return exchange<LocalStream>(socket.string(), request_for(http::verb::get, "localhost", path, ""), timeout);
}

std::optional<HttpReply> http_post_at(const std::filesystem::path& socket, const std::string& path,
                                      std::string_view json, std::chrono::milliseconds timeout) {
  Request request = request_for(http::verb::post, "localhost", path, "");
  set_json(request, json);
  return exchange<LocalStream>(socket.string(), request, timeout);
}

}  // namespace mlpipe
