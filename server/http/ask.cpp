#include "server/http/ask.hpp"

#include <fmt/format.h>

#include <utility>  // before Asio, whose awaitable.hpp relies on it

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <exception>
#include <string_view>
#include <system_error>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

asio::ip::tcp::endpoint endpoint_of(const AskedPort& port) {
  asio::ip::address address = asio::ip::make_address(port.host);
  if (address.is_unspecified()) {
    address = address.is_v6() ? asio::ip::address(asio::ip::address_v6::loopback())
                              : asio::ip::address(asio::ip::address_v4::loopback());
  }
  return {address, port.port};
}

// The status is all that is read, and no HTTP library is needed for that: it would be half of the program
// that asks.
int status_of(std::string_view line) {
  constexpr std::string_view protocol = "HTTP/1.1 ";
  int status = 0;
  if (!line.starts_with(protocol) ||
      std::from_chars(line.data() + protocol.size(), line.data() + line.size(), status).ec != std::errc{}) {
    throw Error("what answers there does not speak HTTP");
  }
  return status;
}

template <typename Stream>
asio::awaitable<int> exchange(Stream& stream, const std::string& path) {
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  co_await asio::async_write(stream, asio::buffer(request), asio::use_awaitable);
  constexpr std::size_t longest = 4096;
  std::string answer;
  const std::size_t end = co_await asio::async_read_until(stream, asio::dynamic_buffer(answer, longest),
                                                          "\r\n", asio::use_awaitable);
  co_return status_of(std::string_view(answer).substr(0, end));
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
