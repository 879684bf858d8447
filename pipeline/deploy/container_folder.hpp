#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/spec/rules.hpp"

namespace mlpipe {

inline constexpr const char* traffic_prefix = "requests-";  // of the names of the gateway's logs

// What a deployment in containers is to be, besides its release.
struct ContainerServing {
  std::string alias;
  std::string host = "127.0.0.1";
  std::optional<int> port;   // 0: any free one; nothing: 8080, or any free one where that is taken
  std::string engine;        // "docker", "podman"
  std::string server_image;  // ids: "sha256:…"
  std::string gateway_image;
  int replicas = 1;
  Resources resources;               // of each replica
  std::vector<std::string> command;  // of a server that is not mlpipe-serve; empty: it is
  int container_port = 8080;         // that the server listens at
  bool model_in_image = true;        // else the release's folder is mounted

  bool is_own_server() const { return command.empty(); }
  // All of it but the images and the engine, for people and to be compared: "127.0.0.1:8080 × 2, memory 512
  // MiB".
  std::string shape() const;
};

// How far a deployment in containers is.
struct ContainerState {
  int port = 0;           // on the host; 0: none was chosen yet
  std::string subnet;     // of its network: "10.1.0."; empty: there is none yet
  std::string set;        // of servers that gets the traffic; empty: none yet
  std::string candidate;  // the set that gets `weight` percent of it while the lease holds
  int weight = 0;
  unsigned generation = 0;  // of the gateway's configuration
};

// The folder of a deployment in containers, which holds what its containers read, and what a later command
// has to know:
//   serving.json   ContainerServing and ContainerState
//   gateway/       nginx.conf and what it looks at (gateway_configuration.hpp); read-only for the gateway
//   secret/        admin-token: of the gateway's control port and of the servers' admin ports
//   written/       what the gateway writes: its own files, and during a canary what became of each request
class ContainerFolder {
 public:
  explicit ContainerFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path gateway() const { return path_ / "gateway"; }
  std::filesystem::path secret() const { return path_ / "secret"; }
  std::filesystem::path written() const { return path_ / "written"; }

  // A name for what belongs to it on an engine that others use too: alias and a digest of the path.
  std::string identity() const;

  // Makes the folders and the token.
  void prepare() const;
  std::string token() const;

  bool has_record() const;
  void load(ContainerServing& serving, ContainerState& state) const;
  void save(const ContainerServing& serving, const ContainerState& state) const;

  bool has_configuration() const;
  void write_configuration(const std::string& text) const;
  // Whether each answer closes its connection.
  void set_closing(bool closing) const;
  // The candidate's share, for weight_lease from now; none any more.
  void renew_lease() const;
  void end_lease() const;
  bool lease_holds() const;
  void remove_traffic() const;

  void remove() const;

  // Whom the containers run as: who runs mlpipe or, when that is root, an id that owns nothing else.
  static uid_t user();
  static gid_t group();

 private:
  std::filesystem::path path_;
};

}  // namespace mlpipe
