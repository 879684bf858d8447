#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "pipeline/deploy/target.hpp"
#include "pipeline/deploy/version_counts.hpp"

namespace mlpipe {

struct LocalServing {
  std::string alias;
  std::string host;
  std::optional<int> port;       // 0: any free one; nothing: 8080, or any free one where that is taken
  std::filesystem::path agent;   // mlpipe-agent
  std::filesystem::path server;  // mlpipe-serve
  std::string server_identity;
};

// Serves from one process of this machine: mlpipe-serve, supervised by an mlpipe-agent that keeps the
// listening sockets, starts the server again when it ends by itself, and swaps its program without refusing a
// connection. What it needs to know stands in `directory`, which is the agent's job folder.
class LocalTarget : public Target {
 public:
  LocalTarget(std::filesystem::path directory, LocalServing serving);

  // The deployment that stands in a folder, as it was begun.
  static LocalTarget existing(const std::filesystem::path& directory, const std::filesystem::path& agent);

  ServingState observe() override;
  WantedServing wanted() const override;
  void bring_up(const ServedRelease& candidate) override;
  void weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) override;
  void renew_weight() override;
  Traffic traffic() override;
  void probe(const ServedRelease& release, std::size_t requests) override;
  void shift(const ServedRelease& candidate) override;
  void settle(const ServedRelease& candidate) override;
  void withdraw(const ServedRelease& previous) override;
  void stop() override;
  std::optional<HttpReply> ask(const std::string& path, std::string_view json) override;

  std::filesystem::path log_file() const { return directory_ / "log"; }

 private:
  bool is_running() const;
  void write_service(const ServedRelease& release, int port) const;
  void start(const ServedRelease& candidate);
  void wait_until_ready();
  bool answers_soon();
  void load(const ServedRelease& candidate, const char* takeover);
  void replace_program(const ServedRelease& release);
  nlohmann::json server_state() const;
  void post_weights() const;
  std::string admin_token() const;
  int requested_port() const;
  int port_of(const std::string& socket) const;

  std::filesystem::path directory_;
  std::filesystem::path lock_;
  LocalServing serving_;
  // Of the last weigh(): the request, and what each version had counted by then.
  std::string weights_;
  std::string candidate_;
  std::string current_;
  VersionCounts candidate_before_;
  VersionCounts current_before_;
};

}  // namespace mlpipe
