#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/filter/credentials.hpp"
#include "server/http/server.hpp"
#include "server/http/tls.hpp"
#include "server/standard_streams.hpp"

namespace mlpipe {

// The command line and the environment of mlpipe-serve.
struct ServeOptions {
  std::vector<std::filesystem::path>
      models;  // where the program needs one: at least that; the first is the default
  std::string version = "1";
  std::filesystem::path repository;  // empty: there is none
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string admin_host = "127.0.0.1";
  std::uint16_t admin_port = 0;
  std::string grpc_host = "127.0.0.1";
  std::optional<std::uint16_t> grpc_port;  // nothing: gRPC is not spoken
  std::optional<int> listen_descriptor;
  std::optional<int> admin_listen_descriptor;
  CredentialFiles admin_credentials;   // none: a token is made and shown
  CredentialFiles public_credentials;  // none: everybody may ask
  TlsFiles tls;                        // none: plain HTTP
  TlsFiles admin_tls;
  std::vector<std::string> cors_origins;
  bool access_log = false;
  std::optional<Framing> standard_streams;  // answer there and on no port
  std::filesystem::path feedback;           // a folder; empty: none is taken
  std::filesystem::path address_file;       // empty: none is written
  unsigned threads = 1;
  HttpLimits limits;  // of the public port
  std::optional<std::chrono::milliseconds> drain_delay;
  std::chrono::milliseconds grace{10'000};
};

// Who reads them, as --help says it.
struct ServeProgram {
  std::string name;
  std::string description;
  bool needs_model = true;
};

// Reads the command line, and for an option that it does not hold a variable: --admin-port as
// MLPIPE_SERVE_OPTION_ADMIN_PORT. Returns nothing when it only asked for help or the version, which has been
// printed; throws UsageError when it is wrong.
std::optional<ServeOptions> read_options(int argc, char** argv, const ServeProgram& program);

}  // namespace mlpipe
