#include "tests/server/tls_client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

template <auto free>
struct Freed {
  template <typename Pointer>
  void operator()(Pointer* pointer) const {
    free(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<&::EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<&::X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<&::SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<&::SSL_free>>;
using OpenFile = std::unique_ptr<std::FILE, Freed<&std::fclose>>;

FileDescriptor connect_to(std::uint16_t port) {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno(fmt::format("connecting to port {}", port));
  }
  return socket;
}

}  // namespace

TlsFiles write_certificate(const std::filesystem::path& folder, const std::string& name) {
  const Key key(::EVP_EC_gen("P-256"));
  const Certificate certificate(::X509_new());
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate.get()), 0);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate.get()), 3600);
  ::X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = ::X509_get_subject_name(certificate.get());
  ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  ::X509_set_issuer_name(certificate.get(), subject);
  ::X509_sign(certificate.get(), key.get(), ::EVP_sha256());
  std::filesystem::create_directories(folder);
  const TlsFiles files{folder / "certificate.pem", folder / "key.pem"};
  const OpenFile certificate_file(std::fopen(files.certificate.c_str(), "w"));
  const OpenFile key_file(std::fopen(files.key.c_str(), "w"));
  if (!certificate_file || !key_file || ::PEM_write_X509(certificate_file.get(), certificate.get()) != 1 ||
      ::PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw Error("writing a certificate failed");
  }
  return files;
}

struct TlsClient::State {
  FileDescriptor socket;
  Context context;
  Session session;
};

TlsClient::TlsClient(std::uint16_t port, int latest_version)
    : state_(new State{connect_to(port), Context(::SSL_CTX_new(::TLS_client_method())), nullptr}) {
  ::SSL_CTX_set_max_proto_version(state_->context.get(), latest_version);
  if (latest_version != 0) {
    ::SSL_CTX_set_min_proto_version(state_->context.get(), latest_version);
    ::SSL_CTX_set_security_level(state_->context.get(), 0);  // or the old versions are not even tried
  }
  state_->session.reset(::SSL_new(state_->context.get()));
  ::SSL_set_fd(state_->session.get(), state_->socket.get());
  if (::SSL_connect(state_->session.get()) != 1) {
    throw Error("the handshake failed");
  }
}

TlsClient::~TlsClient() = default;

std::string TlsClient::certificate_name() const {
  const Certificate certificate(::SSL_get1_peer_certificate(state_->session.get()));
  std::array<char, 256> name{};
  ::X509_NAME_oneline(::X509_get_subject_name(certificate.get()), name.data(), name.size());
  return name.data();
}

std::string TlsClient::protocol() const {
  return ::SSL_get_version(state_->session.get());
}

void TlsClient::send(std::string_view bytes) {
  if (::SSL_write(state_->session.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) {
    throw Error("sending under TLS failed");
  }
}

std::string TlsClient::receive_all() {
  std::string received;
  std::array<char, 65536> buffer{};
  int count = 0;
  while ((count = ::SSL_read(state_->session.get(), buffer.data(), buffer.size())) > 0) {
    received.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (::SSL_get_error(state_->session.get(), count) != SSL_ERROR_ZERO_RETURN) {
    throw Error("the server hung up without a word, after: " + received);
  }
  ::SSL_shutdown(state_->session.get());
  return received;
}

std::string TlsClient::get(const std::string& path) {
  send(fmt::format("GET {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path));
  return receive_all();
}

}  // namespace mlpipe
