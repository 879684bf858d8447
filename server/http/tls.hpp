#pragma once

#include <filesystem>
#include <memory>

namespace mlpipe {

// Certificate and private key in PEM; the certificate's file holds its chain too.
struct TlsFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;

  bool any() const { return !certificate.empty() || !key.empty(); }
};

// What a port that speaks TLS shows its clients. Immutable, and shared by the connections that began with it.
class TlsContext;

// TLS 1.2 and later. Throws UsageError that names the file when there is no certificate or no key in it, or
// the one does not belong to the other.
std::shared_ptr<TlsContext> read_tls(const TlsFiles& files);

}  // namespace mlpipe
