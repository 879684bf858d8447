#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/process.hpp"
#include "pipeline/oci/http.hpp"

namespace mlpipe {

// What `docker login` left for a registry.
struct Credentials {
  std::optional<Login> login;
  std::string identity_token;  // is exchanged for tokens; instead of a password
  std::string registry_token;  // is the token

  bool any() const { return login || !identity_token.empty() || !registry_token.empty(); }
};

// The files that may hold them, the first one first: $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or
// ~/.docker/config.json, and podman's containers/auth.json below $XDG_RUNTIME_DIR.
std::vector<std::filesystem::path> credential_files(const Environment& environment);

// Looks `registry` ("127.0.0.1:5000", "docker.io") up in a file as docker writes it: in `credHelpers`, then
// `auths`, then `credsStore`. A helper is docker-credential-NAME, found in PATH, which gets the registry's
// name on its standard input. Nothing known is no error. Throws Error for a file or a helper's answer that
// cannot be read; no secret is ever in a message.
Credentials read_credentials(const std::filesystem::path& file, const std::string& registry,
                             const Environment& environment);

// The first of the files that knows the registry says it.
Credentials find_credentials(const std::string& registry, const Environment& environment);

}  // namespace mlpipe
