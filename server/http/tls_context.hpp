#pragma once

#include <boost/asio/ssl/context.hpp>

namespace mlpipe {

// See tls.hpp.
class TlsContext {
 public:
  explicit TlsContext(boost::asio::ssl::context context) : context_(std::move(context)) {}
  boost::asio::ssl::context& get() { return context_; }

 private:
  boost::asio::ssl::context context_;
};

}  // namespace mlpipe
