#include "pipeline/oci/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/base64.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t largest_file = std::uint64_t{4} << 20U;
constexpr const char* hub_key = "https://index.docker.io/v1/";

// What a registry is called in docker's file.
std::string key_of(const std::string& registry) {
  return registry == "docker.io" ? hub_key : registry;
}

// Docker's file also has addresses as keys ("https://host/v1/"), podman's repositories ("host/team").
std::string host_of_key(std::string key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (key.starts_with(scheme)) {
      key = key.substr(scheme.size());
    }
  }
  const std::string host = key.substr(0, key.find('/'));
  return host == "index.docker.io" ? "docker.io" : host;
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Credentials ask_helper(const std::string& name, const std::string& registry, const Environment& environment) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain) {
    throw Error(fmt::format("the credential helper '{}' is no plain name", printable(name)));
  }
  const std::string program = "docker-credential-" + name;
  Command command;
  command.arguments = {program, "get"};
  command.environment = environment;
  Captured captured;
  try {
    captured = run_and_capture(std::move(command), key_of(registry) + "\n");
  } catch (const Error& error) {
    throw Error(fmt::format("credentials of {}: {}", registry, error.what()),
                "docker's config.json names this helper: install it, or take it out of the file");
  }
  if (!captured.ending.succeeded()) {
    const std::string said = captured.output + captured.error;
    if (said.find("credentials not found") != std::string::npos) {
      return {};
    }
    throw Error(fmt::format("credentials of {}: {} failed: {}", registry, program,
                            printable(std::string(trim(said)).substr(0, 200))));
  }
  const json answer = json::parse(captured.output, nullptr, false);
  const std::string user = text_at(answer, "Username");
  if (user.empty()) {
    throw Error(
        fmt::format("credentials of {}: {} answers with something else than credentials", registry, program));
  }
  if (user == "<token>") {
    return {std::nullopt, text_at(answer, "Secret"), ""};
  }
  return {Login{user, text_at(answer, "Secret")}, "", ""};
}

Credentials from_entry(const json& entry, const std::string& registry, const fs::path& file) {
  Credentials credentials;
  credentials.identity_token = text_at(entry, "identitytoken");
  credentials.registry_token = text_at(entry, "registrytoken");
  if (const std::string encoded = text_at(entry, "auth"); !encoded.empty()) {
    const auto decoded = decode_base64(encoded);
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
      throw Error(
          fmt::format("{}: the credentials of {} are not base64 of USER:PASSWORD", file.string(), registry),
          fmt::format("`docker login {}` writes them anew", registry));
    }
    // Docker pads with zero bytes.
    std::string password = decoded->substr(colon + 1);
    password.erase(std::find(password.begin(), password.end(), '\0'), password.end());
    credentials.login = Login{decoded->substr(0, colon), password};
  } else if (const std::string user = text_at(entry, "username"); !user.empty()) {
    credentials.login = Login{user, text_at(entry, "password")};
  }
  return credentials;
}

}  // namespace

std::vector<fs::path> credential_files(const Environment& environment) {
  const auto value = [&](const char* name) -> std::string {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
  };
  std::vector<fs::path> files;
  if (const std::string file = value("REGISTRY_AUTH_FILE"); !file.empty()) {
    files.emplace_back(file);
  }
  if (const std::string folder = value("DOCKER_CONFIG"); !folder.empty()) {
    files.push_back(fs::path(folder) / "config.json");
  } else if (const std::string home = value("HOME"); !home.empty()) {
    files.push_back(fs::path(home) / ".docker" / "config.json");
  }
  if (const std::string folder = value("XDG_RUNTIME_DIR"); !folder.empty()) {
    files.push_back(fs::path(folder) / "containers" / "auth.json");
  }
  return files;
}

Credentials read_credentials(const fs::path& file, const std::string& registry,
                             const Environment& environment) {
  const auto text = read_file_if_exists(file, largest_file);
  if (!text) {
    return {};
  }
  const json config = json::parse(*text, nullptr, false);
  if (!config.is_object()) {
    throw Error(fmt::format("{} is no JSON object", file.string()));
  }
  if (const auto helpers = config.find("credHelpers"); helpers != config.end()) {
    if (const std::string helper = text_at(*helpers, key_of(registry).c_str()); !helper.empty()) {
      return ask_helper(helper, registry, environment);
    }
    if (const std::string helper = text_at(*helpers, registry.c_str()); !helper.empty()) {
      return ask_helper(helper, registry, environment);
    }
  }
  if (const auto auths = config.find("auths"); auths != config.end() && auths->is_object()) {
    for (const auto& [key, entry] : auths->items()) {
      if (host_of_key(key) == registry) {
        const Credentials credentials = from_entry(entry, registry, file);
        if (credentials.any()) {
          return credentials;
        }
      }
    }
  }
  const std::string store = text_at(config, "credsStore");
  return store.empty() ? Credentials{} : ask_helper(store, registry, environment);
}

Credentials find_credentials(const std::string& registry, const Environment& environment) {
  for (const fs::path& file : credential_files(environment)) {
    if (Credentials credentials = read_credentials(file, registry, environment); credentials.any()) {
      return credentials;
    }
  }
  return {};
}

}  // namespace mlpipe
