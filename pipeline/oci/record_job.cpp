// The container beside a step's job in its pod: what the job made goes into the remote from here, so that the
// job's own container needs no credentials.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/oci/file_listing.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/job_records.hpp"
#include "pipeline/oci/patiently.hpp"
#include "pipeline/oci/pod_job.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 10min;
constexpr int terminated = 128 + SIGTERM;
constexpr const char* checkpoints_folder = "checkpoints";

// SIGTERM and SIGINT, from now on blocked: it can be waited for them.
FileDescriptor blocked_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  FileDescriptor descriptor(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!descriptor) {
    throw_errno("waiting for signals");
  }
  return descriptor;
}

void take_all(int descriptor) {
  std::array<char, 4096> bytes{};
  while (::read(descriptor, bytes.data(), bytes.size()) > 0) {
  }
}

class Recording {
 public:
  Recording(Remote& remote, std::string job, fs::path directory, int index,
            std::chrono::milliseconds interval)
      : remote_(remote),
        job_(std::move(job)),
        directory_(std::move(directory)),
        index_(index),
        interval_(interval),
        signals_(blocked_signals()),
        folder_(open_file(directory_, O_RDONLY | O_DIRECTORY)) {
    patiently(patience, [this] { sent_ = get_sent_job(remote_, job_); });
  }

  int run() {
    if (!wait_for_beginning()) {
      fmt::print(stderr, "mlpipe-registry: told to end before the job has begun\n");
      return terminated;
    }
    wait_for_end();
    std::optional<Ending> ending = find_ending();
    if (!ending || !ending->succeeded()) {
      send_last_checkpoint();
    }
    if (ending && ending->cancelled) {  // from outside: the next pod goes on with it
      return 0;
    }
    const Ending found = ending.value_or(killed());
    patiently(patience, [&] { record(found); });
    return 0;
  }

 private:
  // False when it was told to end before.
  bool wait_for_beginning() const {
    const FileDescriptor changes(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!changes || ::inotify_add_watch(changes.get(), directory_.c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
      throw_errno(fmt::format("watching {}", directory_.string()));
    }
    while (!fs::exists(directory_ / "begun")) {
      std::array<pollfd, 2> waiting = {{{changes.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
      ::poll(waiting.data(), waiting.size(), -1);
      if (waiting[1].revents != 0) {
        return false;
      }
      take_all(changes.get());
    }
    return true;
  }

  // The agent holds the lock, and lets go of it by ending, however it ends.
  void wait_for_end() {
    const FileDescriptor ended(::eventfd(0, EFD_CLOEXEC));
    const std::jthread waiting_thread([&] {
      FileLock::wait(directory_ / ".lock");
      const std::uint64_t one = 1;
      static_cast<void>(::write(ended.get(), &one, sizeof one));
    });
    while (true) {
      std::array<pollfd, 2> waiting = {{{ended.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
      const int count = ::poll(waiting.data(), waiting.size(), static_cast<int>(interval_.count()));
      if (waiting[0].revents != 0) {
        return;
      }
      if (waiting[1].revents != 0) {  // the agent got one too, and ends within the job's grace
        take_all(signals_.get());
      } else if (count == 0) {
        send_checkpoint_meanwhile();
      }
    }
  }

  void send_checkpoint_meanwhile() {
    try {
      send_checkpoint();
    } catch (const std::exception& error) {  // it may be in the middle of being written
      fmt::print(stderr, "mlpipe-registry: a checkpoint was not sent: {}\n", error.what());
    }
  }

  // How the job ended is told also when there is something that no checkpoint can be.
  void send_last_checkpoint() {
    patiently(patience, [this] {
      try {
        send_checkpoint();
      } catch (const Unavailable&) {
        throw;
      } catch (const Error& error) {
        fmt::print(stderr, "mlpipe-registry: the last checkpoint was not sent: {}\n", error.what());
      }
    });
  }

  // When it is another one than that of the last time. All nodes begin with that of the first one.
  void send_checkpoint() {
    if (index_ != 0) {
      return;
    }
    const FileListing seen = look_at_files(folder_.get(), checkpoints_folder);
    if (seen == last_seen_ || (last_seen_.empty() && seen.size() <= 1)) {
      return;
    }
    put_checkpoint(remote_, sent_.checkpoint, send_files(remote_, folder_.get(), checkpoints_folder));
    last_seen_ = seen;
  }

  // What the agent left, unless it was killed, or something else has that name.
  std::optional<Ending> find_ending() const {
    if (!open_plain_file(folder_.get(), "exit.json")) {
      return std::nullopt;
    }
    try {
      return read_ending(directory_);
    } catch (const Error& error) {
      fmt::print(stderr, "mlpipe-registry: {}\n", error.what());
      return std::nullopt;
    }
  }

  Ending killed() const {
    Ending ending;
    ending.signal = SIGKILL;
    ending.finished = std::chrono::system_clock::now();
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(directory_ / "begun");
    ending.started = ending.finished - std::chrono::duration_cast<std::chrono::system_clock::duration>(age);
    return ending;
  }

  void record(const Ending& ending) {
    MadeByPod made{ending, {}, {}};
    FileDescriptor log = open_plain_file(folder_.get(), "log");
    if (!log) {
      log = memory_file("");
    }
    made.log = send_file(remote_, log);
    if (ending.succeeded() && index_ == 0) {
      if (const FileDescriptor work{
              ::openat(folder_.get(), "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)}) {
        for (const std::string& out : sent_.outs) {
          const FileListing files = send_files(remote_, work.get(), out);
          made.outs.insert(made.outs.end(), files.begin(), files.end());
        }
      }
      put_checkpoint(remote_, sent_.checkpoint, {});
    }
    put_made(remote_, job_, index_, made);
  }

  Remote& remote_;
  std::string job_;
  fs::path directory_;
  int index_;
  std::chrono::milliseconds interval_;  // between two checkpoints
  FileDescriptor signals_;
  FileDescriptor folder_;
  SentJob sent_;
  FileListing last_seen_;  // of the checkpoints
};

}  // namespace

int record_job(Remote& remote, const std::string& job, const fs::path& directory, int index,
               std::chrono::milliseconds checkpoint_interval) {
  return Recording(remote, job, directory, index, checkpoint_interval).run();
}

}  // namespace mlpipe
