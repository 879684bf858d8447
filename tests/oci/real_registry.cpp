#include "tests/oci/real_registry.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int free_port() {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), generic, size) != 0 || ::getsockname(socket.get(), generic, &size) != 0) {
    throw_errno("looking for a free port");
  }
  return ntohs(address.sin_port);
}

// Whether somebody else does: a connection to a port that nobody listens at may get that port as its own, and
// then is one with itself.
bool answers(int port) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  return ::connect(socket.get(), generic, size) == 0 && ::getsockname(socket.get(), generic, &size) == 0 &&
         ntohs(address.sin_port) != port;
}

}  // namespace

std::string program_in_path(const std::string& name) {
  try {
    return find_program(name, own_environment()).string();
  } catch (const Error&) {
    return "";
  }
}

TestServer::TestServer(const std::string& program, const std::vector<std::string>& arguments,
                       const Environment& environment, const fs::path& folder) {
  Command command;
  command.environment = own_environment();
  for (const auto& [name, value] : environment) {
    (*command.environment)[name] = value;
  }
  command.signal_when_parent_ends = SIGKILL;
  // A port that was free may be taken when the program gets to it.
  constexpr int attempts = 5;
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    port_ = free_port();
    command.arguments = {program};
    for (std::string argument : arguments) {
      if (const std::size_t at = argument.find("@PORT@"); at != std::string::npos) {
        argument.replace(at, 6, std::to_string(port_));
      }
      command.arguments.push_back(std::move(argument));
    }
    process_ = std::make_unique<Background>(command, folder / "output");
    const auto ended = [this] { return !process_runs(process_->pid()); };
    wait_until(program + " answers", [&] { return answers(port_) || ended(); });
    if (!ended()) {
      return;
    }
  }
  throw Error(program + ": " + process_->error());
}

RealRegistry::RealRegistry(const std::string& listens_at) {
  const fs::path config = folder_.path() / "config.yml";
  write_file_atomically(config,
                        fmt::format("version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: "
                                    "{{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: "
                                    "127.0.0.1:1}}\n",
                                    (folder_.path() / "data").string()));
  // The port is in an argument, so that TestServer can choose it.
  server_ = std::make_unique<TestServer>(
      "/usr/bin/env",
      std::vector<std::string>{"REGISTRY_HTTP_ADDR=" + listens_at + ":@PORT@",
                               program_in_path("docker-registry"), "serve", config.string()},
      Environment{}, folder_.path());
}

std::string output_of(const std::vector<std::string>& arguments, const std::string& input,
                      const Environment& more) {
  Command command;
  command.arguments = arguments;
  command.environment = own_environment();
  for (const auto& [name, value] : more) {
    (*command.environment)[name] = value;
  }
  Captured captured = run_and_capture(std::move(command), input);
  EXPECT_TRUE(captured.ending.succeeded()) << arguments.front() << ": " << captured.error << captured.output;
  return std::move(captured.output);
}

fs::path registry_program() {
  return fs::path(MLPIPE_PROGRAMS) / "mlpipe-registry";
}

void write_model(const fs::path& folder, const std::string& labels) {
  fs::create_directories(folder);
  // The smallest safetensors file: no tensors; what is computed from it, no test here asks.
  write_file_atomically(folder / "model.yaml", "mlpipe-model: 1\nlabels: " + labels + "\n");
  write_file_atomically(folder / "weights.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
}

}  // namespace mlpipe
