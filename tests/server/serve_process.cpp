#include "tests/server/serve_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

Process start_serve(const std::filesystem::path& folder, const std::filesystem::path& model,
                    const std::vector<std::string>& more_arguments, std::vector<int> inherited,
                    const std::filesystem::path& address_file, const std::filesystem::path& log_file) {
  write_file_atomically(folder / "token", std::string(test_token) + "\n", 0600);
  Command command;
  command.arguments = {MLPIPE_SERVE,         "--model",       model, "--address-file", address_file,
                       "--admin-token-file", folder / "token"};
  command.arguments.insert(command.arguments.end(), more_arguments.begin(), more_arguments.end());
  if (inherited.empty()) {
    command.arguments.insert(command.arguments.end(), {"--port", "0"});
  }
  command.inherited = std::move(inherited);
  const FileDescriptor log = open_file(log_file, O_WRONLY | O_CREAT | O_APPEND);
  command.standard_error = log.get();
  return Process::start(command);
}

}  // namespace

ServeProcess::ServeProcess(const std::filesystem::path& folder, const std::filesystem::path& model,
                           std::vector<std::string> more_arguments, std::vector<int> inherited)
    : log_file_(folder / "log"), process_([&] {
        std::filesystem::remove(folder / "address.json");
        return start_serve(folder, model, more_arguments, std::move(inherited), folder / "address.json",
                           log_file_);
      }()) {
  while (!std::filesystem::exists(folder / "address.json")) {
    if (process_.poll()) {
      throw Error("mlpipe-serve ended before it answered: " + describe(process_.wait()) + "\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const auto address = nlohmann::json::parse(read_file(folder / "address.json"));
  port_ = address.at("port");
  admin_port_ = address.at("admin_port");
  grpc_port_ = address.value("grpc_port", std::uint16_t{0});
}

ServeProcess::~ServeProcess() {
  if (!process_.poll()) {
    process_.send_signal(SIGKILL);
    process_.wait();
  }
}

WireResponse ServeProcess::admin_post(const std::string& path, const std::string& body) const {
  return post_once(admin_port_, path, body, fmt::format("Authorization: Bearer {}\r\n", test_token));
}

WireResponse ServeProcess::load(const std::filesystem::path& directory, const std::string& version) const {
  return admin_post("/admin/load",
                    nlohmann::json{{"directory", directory.string()}, {"version", version}}.dump());
}

Captured run_serve(const std::vector<std::string>& arguments) {
  Command command;
  command.arguments = {MLPIPE_SERVE};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return run_and_capture(command);
}

}  // namespace mlpipe
