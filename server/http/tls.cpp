#include "server/http/tls.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <utility>

#include "pipeline/base/error.hpp"
#include "server/http/tls_context.hpp"

namespace mlpipe {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what, const error_code& error) {
  throw UsageError(fmt::format("{}: {} ({})", file.string(), what, error.message()));
}

}  // namespace

std::shared_ptr<TlsContext> read_tls(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    throw UsageError("TLS: a certificate and its key are needed, and only one of them is given");
  }
  ssl::context context(ssl::context::tls_server);
  ::SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  // A client that asks for new keys again and again would cost more than one that sends requests.
  ::SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION);
  error_code error;
  context.use_certificate_chain_file(files.certificate.string(), error);
  if (error) {
    fail(files.certificate, "no certificate in PEM can be read there", error);
  }
  context.use_private_key_file(files.key.string(), ssl::context::pem, error);
  if (error) {
    fail(files.key, fmt::format("no private key of {} can be read there", files.certificate.string()), error);
  }
  return std::make_shared<TlsContext>(std::move(context));
}

}  // namespace mlpipe
