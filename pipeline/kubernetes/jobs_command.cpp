#include "pipeline/kubernetes/jobs_command.hpp"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "pipeline/base/open_files.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/kubernetes/step.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view registry_scheme = "oci://";
constexpr int most_restarts = 5;  // of kubectl, one after another

// The other end of the socket: requests with descriptors, and answers, which never wait.
class Conversation {
 public:
  explicit Conversation(int socket) : socket_(socket) {}

  // False when the other end is gone.
  bool read() {
    std::array<char, std::size_t{1} << 16U> buffer{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control{};
    iovec bytes{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        const std::size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < descriptors; ++i) {
          int descriptor = -1;
          std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
          descriptors_.emplace_back(descriptor);
        }
      }
    }
    text_.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  std::optional<std::string> line() {
    const std::size_t end = text_.find('\n');
    if (end == std::string::npos) {
      return std::nullopt;
    }
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }

  FileDescriptor descriptor() {
    if (descriptors_.empty()) {
      throw UsageError("a request came without its lock");
    }
    FileDescriptor first = std::move(descriptors_.front());
    descriptors_.pop_front();
    return first;
  }

  void tell(const Json& event) {
    waiting_ += event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    flush();
  }

  // Something is left to be sent.
  bool flush() {
    while (!waiting_.empty()) {
      const ssize_t sent = ::send(socket_, waiting_.data(), waiting_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) {
        continue;
      }
      if (sent < 0) {
        return errno == EAGAIN;
      }
      waiting_.erase(0, static_cast<std::size_t>(sent));
    }
    return false;
  }

 private:
  int socket_;
  std::string text_;
  std::deque<FileDescriptor> descriptors_;
  std::string waiting_;
};

class Jobs {
 public:
  Jobs(const JobsRequest& request, Kubectl kubectl)
      : kubectl_(std::move(kubectl)),
        socket_(folder_.path() / "api"),
        conversation_(STDIN_FILENO),
        proxy_(kubectl_, socket_),
        loop_(socket_),
        api_(
            loop_,
            [this](const std::string& text) {
              conversation_.tell({{"event", "warning"}, {"text", text}});
            },
            [this](const std::string& why) {
              given_up_ = why;
              loop_.stop();
            }),
        images_(registry_of(request)),
        transfers_(loop_, request.remote),
        services_{api_,
                  transfers_,
                  images_,
                  settings_of(request),
                  request.context,
                  [this](const std::string& name) -> NamespaceView& { return view(name); },
                  [this](const Json& event) { conversation_.tell(event); }} {}

  void run() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    const FileDescriptor ended(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    loop_.watch(ended.get(), [this] { loop_.stop(); });
    loop_.watch(STDIN_FILENO, [this] { take_requests(); });
    watch_proxy();
    loop_.run();
    if (!given_up_.empty()) {
      throw Error(given_up_);
    }
  }

  // What threads are at may take long, and nobody waits for it any more.
  [[noreturn]] void leave() {
    proxy_.end();
    remove_tree(folder_.path());
    std::_Exit(0);
  }

 private:
  static std::string registry_of(const JobsRequest& request) {
    if (!request.registry.empty()) {
      return request.registry;
    }
    return request.remote.starts_with(registry_scheme) ? request.remote.substr(registry_scheme.size()) : "";
  }

  static JobSettings settings_of(const JobsRequest& request) {
    const Environment environment = own_environment();
    const auto insecure = environment.find("MLPIPE_INSECURE_REGISTRIES");
    return {request.pod_remote.empty() ? request.remote : request.pod_remote, request.remote_secret,
            request.secrets, insecure == environment.end() ? "" : insecure->second,
            std::chrono::seconds(request.keep_seconds)};
  }

  NamespaceView& view(const std::string& wanted) {
    if (wanted.empty() && default_namespace_.empty()) {
      default_namespace_ = kubectl_.where().name_space;
    }
    const std::string name = wanted.empty() ? default_namespace_ : wanted;
    auto found = views_.find(name);
    if (found == views_.end()) {
      found = views_.emplace(name, std::make_unique<NamespaceView>(api_, name)).first;
    }
    return *found->second;
  }

  void take_requests() {
    if (!conversation_.read()) {
      loop_.stop();
      return;
    }
    while (const auto line = conversation_.line()) {
      const Json request = Json::parse(*line, nullptr, false);
      if (!request.is_object() || request.value("do", "") != "start") {
        throw UsageError("a line of the input is no request");
      }
      start(request.at("directory").get<std::string>(),
            request.at("secrets").get<std::map<std::string, std::string>>());
    }
  }

  void start(const std::string& directory, std::map<std::string, std::string> secrets) {
    FileDescriptor lock = conversation_.descriptor();
    try {
      steps_[directory] = std::make_unique<Step>(services_, directory, std::move(lock), std::move(secrets),
                                                 [this, directory] { end(directory); });
    } catch (const Error& error) {
      steps_.erase(directory);
      Ending ending;
      ending.failure = error.what();
      ending.started = ending.finished = std::chrono::system_clock::now();
      write_ending(directory, ending);
      conversation_.tell({{"event", "ended"}, {"directory", directory}});
    }
  }

  // It is called by what it ends.
  void end(const std::string& directory) {
    loop_.after(0ms, [this, directory] {
      steps_.erase(directory);
      conversation_.tell({{"event", "ended"}, {"directory", directory}});
    });
  }

  void watch_proxy() {
    const int output = proxy_.output();
    loop_.watch(output, [this, output] {
      std::array<char, 4096> words{};
      if (::read(output, words.data(), words.size()) > 0) {
        return;
      }
      loop_.forget(output);
      if (++restarts_ > most_restarts) {
        throw Error("`kubectl proxy` ends again and again");
      }
      loop_.after(500ms, [this] {
        proxy_.start_again();
        watch_proxy();
      });
    });
    loop_.after(60s, [this] { restarts_ = 0; });
  }

  TemporaryDirectory folder_;
  Kubectl kubectl_;
  std::string socket_;
  Conversation conversation_;
  ApiProxy proxy_;
  Loop loop_;
  Api api_;
  ImagesInRegistry images_;
  Transfers transfers_;
  StepServices services_;
  std::string default_namespace_;
  std::map<std::string, std::unique_ptr<NamespaceView>> views_;
  std::map<std::string, std::unique_ptr<Step>> steps_;
  std::string given_up_;
  int restarts_ = 0;
};

}  // namespace

void jobs_command(const JobsRequest& request) {
  const ManyOpenFiles open_files;  // each log that is followed takes a connection
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);  // in all threads: run() reads them
  Jobs jobs(request, Kubectl::find(request.context, own_environment()));
  jobs.run();
  jobs.leave();
}

}  // namespace mlpipe
