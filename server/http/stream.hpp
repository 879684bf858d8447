#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <utility>

#include "server/http/tls_context.hpp"

namespace mlpipe {

using TransportStrand = boost::asio::strand<boost::asio::io_context::executor_type>;
using TransportSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, TransportStrand>;

// A socket, as it is or under TLS: what Asio and Beast call an asynchronous stream. Without TLS it costs one
// comparison for each operation.
class TransportStream {
 public:
  using executor_type = TransportSocket::executor_type;

  explicit TransportStream(TransportSocket socket) : socket_(std::move(socket)) {}
  TransportStream(const TransportStream&) = delete;
  TransportStream& operator=(const TransportStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  TransportSocket& socket() { return socket_; }
  bool is_encrypted() const { return tls_ != nullptr; }

  // From here on everything goes through TLS, the server's handshake first.
  template <typename Handler>
  void async_handshake(TlsContext& context, Handler&& handler) {
    tls_ = std::make_unique<Tls>(socket_, context.get());
    tls_->async_handshake(Tls::server, std::forward<Handler>(handler));
  }

  // Tells the client's TLS that no more will come, and waits for its word.
  template <typename Handler>
  void async_shutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

 private:
  using Tls = boost::asio::ssl::stream<TransportSocket&>;

  TransportSocket socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace mlpipe
