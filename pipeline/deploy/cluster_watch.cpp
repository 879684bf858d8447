#include "pipeline/deploy/cluster_watch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr auto restart_interval = 1s;

// All that was written to a file that stands for standard error.
std::string text_of(const FileDescriptor& file) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return "";
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return text;
}

}  // namespace

ClusterWatch::ClusterWatch(const Kubectl& kubectl, std::string name_space, std::string selector,
                           const std::vector<std::string>& kinds)
    : kubectl_(kubectl), name_space_(std::move(name_space)), selector_(std::move(selector)) {
  for (const std::string& kind : kinds) {
    sources_.emplace_back().kind = kind;
    start(sources_.back());
  }
}

ClusterWatch::~ClusterWatch() {
  for (Source& source : sources_) {
    if (source.process) {
      source.process->send_signal(SIGKILL);
      source.process->wait();
    }
  }
}

void ClusterWatch::start(Source& source) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  source.events = FileDescriptor(ends[0]);
  const FileDescriptor written(ends[1]);
  source.error = memory_file("");
  source.unread.clear();
  source.objects.clear();
  Command command = kubectl_.command({"get", source.kind, "--namespace", name_space_, "--selector", selector_,
                                      "--watch", "--output-watch-events", "--output", "json"});
  command.standard_output = written.get();
  command.standard_error = source.error.get();
  command.new_group = true;  // a Ctrl-C is for mlpipe to deal with
  command.signal_when_parent_ends = SIGKILL;
  source.process = Process::start(command);
}

void ClusterWatch::end(Source& source) {
  const ProcessEnding ending = source.process->wait();
  source.process.reset();
  source.events.close();
  const std::string said = text_of(source.error);
  if (said.find("orbidden") != std::string::npos) {
    throw cluster_failure(fmt::format("watching {}", source.kind), said);
  }
  interruption_ = ending.succeeded() ? "" : cluster_failure("watching the cluster", said).what();
  source.next_start = std::chrono::steady_clock::now() + restart_interval;
}

void ClusterWatch::take(Source& source) {
  std::array<char, 1U << 16U> buffer{};
  const ssize_t count = ::read(source.events.get(), buffer.data(), buffer.size());
  if (count <= 0) {
    end(source);
    return;
  }
  source.unread.append(buffer.data(), static_cast<std::size_t>(count));
  std::size_t begin = 0;
  for (std::size_t stop = source.unread.find('\n'); stop != std::string::npos;
       stop = source.unread.find('\n', begin)) {
    const Json event = Json::parse(source.unread.substr(begin, stop - begin), nullptr, false);
    begin = stop + 1;
    if (!event.is_object() || !event.contains("object") || !event["object"].contains("metadata")) {
      continue;
    }
    interruption_.clear();
    const std::string name = event["object"]["metadata"].value("name", "");
    if (event.value("type", "") == "DELETED") {
      source.objects.erase(name);
    } else {
      source.objects[name] = event["object"];
    }
  }
  source.unread.erase(0, begin);
}

void ClusterWatch::wait(Time until) {
  Time wake = until;
  std::vector<pollfd> polled;
  std::vector<Source*> behind;
  const Time now = std::chrono::steady_clock::now();
  for (Source& source : sources_) {
    if (!source.process && source.next_start <= now) {
      start(source);
    }
    if (source.process) {
      polled.push_back({source.events.get(), POLLIN, 0});
      behind.push_back(&source);
    } else {
      wake = std::min(wake, source.next_start);
    }
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake - now).count();
  ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
  for (std::size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents != 0) {
      take(*behind[i]);
    }
  }
}

std::vector<Json> ClusterWatch::objects(const std::string& kind) const {
  std::vector<Json> found;
  for (const Source& source : sources_) {
    if (source.kind == kind) {
      for (const auto& [name, object] : source.objects) {
        found.push_back(object);
      }
    }
  }
  return found;
}

}  // namespace mlpipe
