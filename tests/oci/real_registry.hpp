#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/functional/project.hpp"

namespace mlpipe {

// A program in PATH; empty: it is not there.
std::string program_in_path(const std::string& name);

// A server that listens on a port of its own at 127.0.0.1 until the end of the test.
class TestServer {
 public:
  // `arguments` get the port for "@PORT@". Waits until somebody answers there.
  TestServer(const std::string& program, const std::vector<std::string>& arguments,
             const Environment& environment, const std::filesystem::path& folder);
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  // It answers no more.
  void stop() { process_.reset(); }

 private:
  int port_ = 0;
  std::unique_ptr<Background> process_;
};

// Debian's docker-registry in a folder of its own, on a port of its own at 127.0.0.1, or at all addresses of
// this machine ("0.0.0.0").
class RealRegistry {
 public:
  static bool is_there() { return !program_in_path("docker-registry").empty(); }
  explicit RealRegistry(const std::string& listens_at = "127.0.0.1");
  std::string name() const { return server_->address(); }
  void stop() { server_->stop(); }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<TestServer> server_;
};

// A program's output, which must have succeeded.
std::string output_of(const std::vector<std::string>& arguments, const std::string& input = "",
                      const Environment& more = {});
std::filesystem::path registry_program();
// A folder that mlpipe takes for a model.
void write_model(const std::filesystem::path& folder, const std::string& labels = "[no, yes]");

}  // namespace mlpipe
