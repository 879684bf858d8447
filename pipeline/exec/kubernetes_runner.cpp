#include "pipeline/exec/kubernetes_runner.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int most_starts = 4;  // of the program in one run, when it is killed

// A whole line, and with its first byte a descriptor. Whether there is still somebody who reads is seen by
// who reads there.
void send_line(int socket, const std::string& line, int descriptor) {
  iovec bytes{const_cast<char*>(line.data()), line.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  while (bytes.iov_len > 0) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0) {
      return;
    }
    bytes.iov_base = static_cast<char*>(bytes.iov_base) + sent;
    bytes.iov_len -= static_cast<std::size_t>(sent);
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
}

FileDescriptor copy_of(int descriptor) {
  FileDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  if (!copy) {
    throw_errno("keeping a job's lock");
  }
  return copy;
}

}  // namespace

KubernetesRunner::KubernetesRunner(Options options, std::function<void(const std::string&)> hear)
    : options_(std::move(options)), hear_(std::move(hear)) {}

KubernetesRunner::~KubernetesRunner() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (program_) {
      program_->send_signal(SIGTERM);
    }
  }
  if (follower_.joinable()) {
    follower_.join();
  }
}

FileDescriptor KubernetesRunner::start(const PreparedJob& job, const FileLock& lock) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  FileDescriptor reading(ends[0]);
  Running running{job.secrets, copy_of(lock.descriptor()), FileDescriptor(ends[1])};
  const std::lock_guard guard(mutex_);
  if (!program_) {
    if (follower_.joinable()) {
      follower_.join();  // of a program that has ended
    }
    start_program();
    follower_ = std::thread([this] { follow(); });
  }
  Running& kept = running_.insert_or_assign(job.directory.string(), std::move(running)).first->second;
  send_start(job.directory.string(), kept);
  return reading;
}

void KubernetesRunner::cancel(const PreparedJob& job) {
  cancel_job(job.directory);
}

void KubernetesRunner::start_program() {
  std::array<int, 2> ends{};
  // A socket and not two pipes: writing to a program that has ended is an error then, not a signal.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("making a socket");
  }
  FileDescriptor ours(ends[0]);
  const FileDescriptor theirs(ends[1]);
  FileDescriptor errors = memory_file("");
  const ClusterAccess& access = options_.access;
  Command command;
  command.arguments = {options_.program.string(),
                       "jobs",
                       "--store",
                       options_.store.string(),
                       "--remote",
                       options_.remote,
                       "--keep",
                       std::to_string(access.keep.count())};
  const auto add = [&command](const char* option, const std::string& value) {
    if (!value.empty()) {
      command.arguments.insert(command.arguments.end(), {option, value});
    }
  };
  add("--context", access.context);
  add("--registry", access.registry);
  add("--pod-remote", access.pod_remote);
  add("--remote-secret", access.remote_secret);
  add("--secrets", access.secrets);
  command.standard_input = command.standard_output = theirs.get();
  command.standard_error = errors.get();
  command.signal_when_parent_ends = SIGTERM;
  program_ = Process::start(command);
  ++starts_;
  socket_ = std::move(ours);
  errors_ = std::move(errors);
}

void KubernetesRunner::send_start(const std::string& directory, const Running& running) const {
  const Json request = {{"do", "start"}, {"directory", directory}, {"secrets", running.secrets}};
  send_line(socket_.get(), request.dump() + "\n", running.lock.get());
}

// Until the program has ended and is not started again.
void KubernetesRunner::follow() {
  while (true) {
    read_events();
    const ProcessEnding ending = program_->wait();  // this thread alone replaces it
    std::string again;
    {
      const std::lock_guard lock(mutex_);
      if (closing_ || running_.empty() || ending.signal == 0 || starts_ >= most_starts) {
        if (!closing_) {
          lose_all(ending);
        }
        program_.reset();
        return;
      }
      try {
        start_program();
      } catch (const Error&) {
        lose_all(ending);
        program_.reset();
        return;
      }
      for (const auto& [directory, running] : running_) {
        send_start(directory, running);
      }
      again = fmt::format("mlpipe-kubernetes was {}; it is started again and takes up its Jobs",
                          describe(ending));
    }
    hear_(again);
  }
}

void KubernetesRunner::read_events() {
  std::string text;
  std::array<char, std::size_t{1} << 16U> buffer{};
  while (true) {
    const ssize_t count = ::read(socket_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      take_event(text.substr(0, end));
      text.erase(0, end + 1);
    }
  }
}

void KubernetesRunner::take_event(const std::string& line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object() || !event.contains("event")) {
    hear_(fmt::format("mlpipe-kubernetes says something else than it should: {}", printable(line)));
  } else if (event["event"] == "warning") {
    hear_(event.value("text", ""));
  } else if (event["event"] == "ended") {
    const std::lock_guard lock(mutex_);
    running_.erase(event.value("directory", ""));
  }
}

// Nobody follows the jobs any more. What the program said last is how they ended.
void KubernetesRunner::lose_all(const ProcessEnding& ending) {
  constexpr std::size_t lines = 3;
  const std::string words =
      last_lines(trim(read_file(fmt::format("/proc/self/fd/{}", errors_.get()))), lines);
  const std::string said =
      words.empty() ? "mlpipe-kubernetes ended: " + describe(ending) : join(split(words, '\n'), "; ");
  for (const auto& [directory, running] : running_) {
    Ending lost;
    lost.failure = printable(said);
    lost.signal = ending.signal != 0 ? SIGKILL : 0;
    lost.started = lost.finished = std::chrono::system_clock::now();
    if (!read_ending(directory)) {
      write_ending(directory, lost);
    }
  }
  running_.clear();
}

}  // namespace mlpipe
