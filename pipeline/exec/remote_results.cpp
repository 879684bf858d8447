#include "pipeline/exec/remote_results.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/store/key_record.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

void ring(const FileDescriptor& bell) {
  const std::uint64_t one = 1;
  static_cast<void>(::write(bell.get(), &one, sizeof one));
}

}  // namespace

bool travels(const Step& step) {
  return !std::holds_alternative<ImageAction>(step.action);
}

RemoteResults::RemoteResults(Store* store, Options options, std::function<void(const std::string&)> warn)
    : store_(store), options_(std::move(options)), warn_(std::move(warn)), errors_(memory_file("")) {
  // A socket and not two pipes: writing to a program that has ended is an error then, not a signal.
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("making a socket");
  }
  socket_ = FileDescriptor(ends[0]);
  const FileDescriptor theirs(ends[1]);
  Command command;
  command.arguments = {options_.program.string(), "remote", options_.url};
  command.standard_input = command.standard_output = theirs.get();
  command.standard_error = errors_.get();
  command.signal_when_parent_ends = SIGTERM;
  program_ = Process::start(command);
  reader_ = std::thread([this] { read_answers(); });
  send({{"do", "keys"}});
}

RemoteResults::~RemoteResults() {
  program_->send_signal(SIGTERM);
  program_->wait();
  reader_.join();
}

void RemoteResults::send(const json& request) {
  const std::string line = request.dump() + "\n";
  for (std::string_view left = line; !left.empty();) {
    const ssize_t sent = ::send(socket_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return;  // it has ended, which the reading thread says
    }
    left.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
  }
}

void RemoteResults::read_answers() {
  std::string text;
  std::array<char, std::size_t{1} << 16U> buffer{};
  while (true) {
    const ssize_t count = ::read(socket_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      break;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const std::lock_guard lock(mutex_);
      try {
        take_answer(json::parse(text.substr(0, end)));
      } catch (const std::exception& error) {
        break_with(
            fmt::format("mlpipe-registry answers with something else than it should: {}", error.what()));
      }
      changed_.notify_all();
      text.erase(0, end + 1);
    }
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  listed_ = true;
  for (auto& [key, pull] : pulls_) {
    ring(pull.ended);
  }
  changed_.notify_all();
}

// With the mutex held.
void RemoteResults::take_answer(const json& answer) {
  const auto did = answer.at("did").get<std::string>();
  if (answer.contains("error")) {
    const std::string hint = answer.value("hint", "");
    break_with(answer["error"].get<std::string>() + (hint.empty() ? "" : " (" + hint + ")"));
  }
  if (did == "keys") {
    listed_ = true;
    complete_ = answer.value("complete", false);
    for (const json& key : answer.value("keys", json::array())) {
      keys_.insert(Digest::from_hex(key.get<std::string>()));
    }
  } else if (did == "pull") {
    if (const auto pull = pulls_.find(Digest::from_hex(answer.at("key").get<std::string>()));
        pull != pulls_.end()) {
      pull->second.found = answer.value("found", false);
      ring(pull->second.ended);
    }
  } else if (did == "push") {
    --pushes_;
  }
}

// With the mutex held.
void RemoteResults::break_with(const std::string& why) {
  if (fault_.empty()) {
    fault_ = why;
  }
}

// Says once what is wrong with the remote.
void RemoteResults::tell() {
  std::string fault;
  {
    const std::lock_guard lock(mutex_);
    if (fault_.empty() || told_) {
      return;
    }
    told_ = true;
    fault = fault_;
  }
  if (options_.required) {
    throw Error(fmt::format("the remote is required, and cannot be used: {}", fault));
  }
  warn_(fmt::format("the remote is left out: {}", fault));
}

bool RemoteResults::broken() {
  const std::lock_guard lock(mutex_);
  if (ended_ && fault_.empty()) {
    const std::string said = last_lines(trim(read_file(fmt::format("/proc/self/fd/{}", errors_.get()))), 2);
    fault_ = said.empty() ? "mlpipe-registry ended" : printable(join(split(said, '\n'), "; "));
  }
  return !fault_.empty();
}

void RemoteResults::wait_for_keys() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return listed_; });
}

bool RemoteResults::may_have(const Digest& key) {
  wait_for_keys();
  if (broken()) {
    tell();
    return false;
  }
  const std::lock_guard lock(mutex_);
  return !complete_ || keys_.contains(key);
}

bool RemoteResults::has(const Digest& key) {
  wait_for_keys();
  if (broken()) {
    tell();
    return false;
  }
  const std::lock_guard lock(mutex_);
  return keys_.contains(key);
}

FileDescriptor RemoteResults::pull(const Digest& key) {
  const fs::path incoming = store_->directory() / "incoming";
  fs::create_directories(incoming);
  FileDescriptor bell(::eventfd(0, EFD_CLOEXEC));
  if (!bell) {
    throw_errno("making an event");
  }
  FileDescriptor copy(::dup(bell.get()));
  fs::path folder;
  {
    const std::lock_guard lock(mutex_);
    Pull& pull = pulls_[key];
    pull = {std::make_unique<TemporaryDirectory>(incoming), std::move(bell), false};
    folder = pull.folder->path();
    if (ended_) {
      ring(pull.ended);
    }
  }
  send({{"do", "pull"},
        {"key", key.hex()},
        {"to", folder.string()},
        {"have", (store_->directory() / "blobs" / "sha256").string()}});
  return copy;
}

void RemoteResults::finish_pull(const Digest& key) {
  Pull pull;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pulls_.find(key);
    if (found == pulls_.end()) {
      return;
    }
    pull = std::move(found->second);
    pulls_.erase(found);
  }
  if (pull.found) {
    try {
      import_key_record(*store_, key, pull.folder->path(),
                        fmt::format("{}, key {}", options_.url, key.short_hex()));
      return;
    } catch (const UsageError& error) {
      const std::lock_guard lock(mutex_);
      break_with(error.what());
    }
  }
  if (broken()) {
    tell();
  }
}

void RemoteResults::push(const Digest& key) {
  if (broken()) {
    tell();
    return;
  }
  const KeyRecord record = record_of_key(*store_, key);
  if (record.blobs.empty() && record.rows.empty()) {
    return;
  }
  json blobs = json::array();
  for (const KeyRecord::Blob& blob : record.blobs) {
    blobs.push_back(
        {{"digest", "sha256:" + blob.digest.hex()}, {"size", blob.bytes}, {"path", blob.path.string()}});
  }
  {
    const std::lock_guard lock(mutex_);
    ++pushes_;
  }
  send({{"do", "push"}, {"key", key.hex()}, {"rows", record.rows}, {"blobs", std::move(blobs)}});
}

void RemoteResults::abandon() {
  {
    const std::lock_guard lock(mutex_);
    told_ = true;  // that it ended is no news then
  }
  program_->send_signal(SIGTERM);
}

void RemoteResults::finish(const std::atomic<int>* interrupts) {
  {
    std::unique_lock lock(mutex_);
    while (!ended_ && fault_.empty() && pushes_ > 0 && (interrupts == nullptr || *interrupts == 0)) {
      changed_.wait_for(lock, 100ms);
    }
    if (pushes_ == 0 && fault_.empty()) {
      return;
    }
  }
  if (broken()) {
    tell();
  }
}

}  // namespace mlpipe
