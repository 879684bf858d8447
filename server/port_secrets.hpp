#pragma once

#include <memory>
#include <string>

#include "server/filter/credentials.hpp"
#include "server/http/current.hpp"
#include "server/http/tls.hpp"
#include "server/protocol/reload.hpp"

namespace mlpipe {

using SharedCredentials = std::shared_ptr<Current<const Credentials>>;
using SharedTls = std::shared_ptr<Current<TlsContext>>;

// What a port asks its clients for and what it shows them, as it stands in files.
class PortSecrets {
 public:
  // Reads the files that are named; throws Error or UsageError that says what is wrong with which.
  PortSecrets(CredentialFiles credential_files, TlsFiles tls_files);

  // Makes a token and shows it on stdout when no file holds one.
  void require_credentials();

  // Reads the files again, for requests and connections that begin then.
  void reload(const std::string& port, ReloadReport& report) const;

  const SharedCredentials& credentials() const { return credentials_; }  // null: none are asked for
  const SharedTls& tls() const { return tls_; }                          // null: plain HTTP
  std::string scheme() const { return tls_ ? "https" : "http"; }

 private:
  CredentialFiles credential_files_;
  TlsFiles tls_files_;
  SharedCredentials credentials_;
  SharedTls tls_;
};

}  // namespace mlpipe
