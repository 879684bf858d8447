#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/file.hpp"
#include "server/http/tls.hpp"

namespace mlpipe {

// Writes a new key and a certificate for `name`, signed by itself, into the folder.
TlsFiles write_certificate(const std::filesystem::path& folder, const std::string& name);

// One connection under TLS to a port of this machine. Blocking, with a time limit of 20 s for each read. It
// verifies nothing; certificate_name() says whom it talks to.
class TlsClient {
 public:
  // Shakes hands; `latest_version` is TLS1_2_VERSION or the like, 0 for any. Throws Error when that fails.
  explicit TlsClient(std::uint16_t port, int latest_version = 0);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();

  std::string certificate_name() const;  // "CN = test"
  std::string protocol() const;          // "TLSv1.3"
  void send(std::string_view bytes);
  // All until the server says that no more will come; throws Error when it just hangs up.
  std::string receive_all();
  // A GET that closes the connection, as it came.
  std::string get(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlpipe
