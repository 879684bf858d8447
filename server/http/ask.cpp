#include "server/http/ask.hpp"

#include <fmt/format.h>

#include <utility>  // before Asio, whose awaitable.hpp relies on it

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

asio::ip::tcp::endpoint endpoint_of(const AskedPort& port) {
  asio::ip::address address = asio::ip::make_address(port.host);
  if (address.is_unspecified()) {
    address = address.is_v6() ? asio::ip::address(asio::ip::address_v6::loopback())
                              : asio::ip::address(asio::ip::address_v4::loopback());
  }
  return {address, port.port};
}

template <typename Stream>
asio::awaitable<int> exchange(Stream& stream, const std::string& path) {
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  co_await http::async_read_header(stream, buffer, answer, asio::use_awaitable);
  co_return answer.get().result_int();
}

asio::awaitable<int> ask(const AskedPort& port, const std::string& path, std::chrono::milliseconds time) {
  beast::tcp_stream connection(co_await asio::this_coro::executor);
  connection.expires_after(time);
  co_await connection.async_connect(endpoint_of(port), asio::use_awaitable);
  if (!port.tls) {
    co_return co_await exchange(connection, path);
  }
  asio::ssl::context context(asio::ssl::context::tls_client);
  beast::ssl_stream<beast::tcp_stream> stream(std::move(connection), context);
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  co_return co_await exchange(stream, path);
}

}  // namespace

int ask_status(const AskedPort& port, const std::string& path, std::chrono::milliseconds time) {
  asio::io_context context;
  int status = 0;
  std::exception_ptr failure;
  asio::co_spawn(context, ask(port, path, time), [&](const std::exception_ptr& thrown, int answer) {
    failure = thrown;
    status = answer;
  });
  context.run();
  try {
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (const boost::system::system_error& error) {
    throw Error(fmt::format("nothing answers at {}:{}: {}", port.host, port.port, error.code().message()));
  }
  return status;
}

}  // namespace mlpipe
