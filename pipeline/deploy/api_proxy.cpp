#include "pipeline/deploy/api_proxy.hpp"

#include <fcntl.h>
#include <signal.h>

#include <thread>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 10s;
constexpr auto poll_interval = 5ms;
constexpr const char* socket_name = "api";

Process start_proxy(const Kubectl& kubectl, const std::filesystem::path& socket) {
  const FileDescriptor nowhere = open_file("/dev/null", O_WRONLY);
  Command command = kubectl.command({"proxy", "--unix-socket=" + socket.string()});
  command.standard_output = nowhere.get();
  command.standard_error = nowhere.get();
  command.new_group = true;
  command.signal_when_parent_ends = SIGKILL;
  return Process::start(command);
}

}  // namespace

ApiProxy::ApiProxy(const Kubectl& kubectl) : process_(start_proxy(kubectl, folder_.path() / socket_name)) {
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  while (!std::filesystem::exists(folder_.path() / socket_name)) {
    if (process_.poll() || std::chrono::steady_clock::now() > deadline) {
      process_.send_signal(SIGKILL);
      process_.wait();
      throw Error("`kubectl proxy` does not start", "does `kubectl get --raw /version` answer?");
    }
    std::this_thread::sleep_for(poll_interval);
  }
}

ApiProxy::~ApiProxy() {
  process_.send_signal(SIGKILL);
  process_.wait();
}

std::optional<HttpReply> ApiProxy::get(const std::string& path, std::chrono::milliseconds timeout) const {
  return http_get_at(folder_.path() / socket_name, path, timeout);
}

std::optional<HttpReply> ApiProxy::post(const std::string& path, std::string_view json,
                                        std::chrono::milliseconds timeout) const {
  return http_post_at(folder_.path() / socket_name, path, json, timeout);
}

}  // namespace mlpipe
