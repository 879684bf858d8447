#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "tests/server/client.hpp"

namespace mlpipe {

inline constexpr const char* test_token = "a-token-for-tests";

// A running mlpipe-serve; killed on destruction if it has not ended.
class ServeProcess {
 public:
  // Starts it with an admin token and ports of its own, and returns once it has written its address file.
  ServeProcess(const std::filesystem::path& folder, const std::filesystem::path& model,
               std::vector<std::string> more_arguments = {}, std::vector<int> inherited = {});
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;
  ~ServeProcess();

  std::uint16_t port() const { return port_; }
  std::uint16_t admin_port() const { return admin_port_; }
  std::uint16_t grpc_port() const { return grpc_port_; }  // 0: it speaks no gRPC

  WireResponse admin_post(const std::string& path, const std::string& body) const;
  WireResponse load(const std::filesystem::path& directory, const std::string& version) const;

  // What it has written to stderr.
  std::string log() const { return read_file(log_file_); }

  void signal(int number) { process_.send_signal(number); }
  ProcessEnding wait() { return process_.wait(); }

 private:
  std::filesystem::path log_file_;
  Process process_;
  std::uint16_t port_ = 0;
  std::uint16_t admin_port_ = 0;
  std::uint16_t grpc_port_ = 0;
};

// Runs mlpipe-serve to its end.
Captured run_serve(const std::vector<std::string>& arguments);

}  // namespace mlpipe
