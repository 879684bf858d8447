#include "pipeline/agent/family.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

struct Relative {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
};

// Reads "PID (NAME) STATE PPID PGRP …"; the name may hold anything, also parentheses.
std::optional<Relative> read_relative(const fs::path& process) {
  try {
    const std::string stat = read_file(process / "stat");
    Relative relative;
    char state = 0;
    std::istringstream head(stat);
    std::istringstream tail(stat.substr(std::min(stat.rfind(')'), stat.size() - 1) + 1));
    if (head >> relative.pid && tail >> state >> relative.parent >> relative.group && state != 'Z') {
      return relative;
    }
  } catch (const Error&) {  // it ended meanwhile
  }
  return std::nullopt;
}

// All that descends from `ancestor`, itself not included.
std::vector<Relative> descendants_of(pid_t ancestor) {
  std::multimap<pid_t, Relative> children;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      if (const auto relative = read_relative(entry->path())) {
        children.emplace(relative->parent, *relative);
      }
    }
  }
  std::vector<Relative> found;
  std::vector<pid_t> waiting = {ancestor};
  while (!waiting.empty()) {
    const auto [begin, end] = children.equal_range(waiting.back());
    waiting.pop_back();
    for (auto child = begin; child != end; ++child) {
      found.push_back(child->second);
      waiting.push_back(child->second.pid);
    }
  }
  return found;
}

}  // namespace

Family::Family() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    throw_errno("becoming the subreaper of the job's processes");
  }
}

std::vector<Ended> Family::reap() const {
  std::vector<Ended> ended;
  int status = 0;
  rusage usage{};
  pid_t pid = 0;
  while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
    ended.push_back({pid, decode_wait_status(status, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024)});
  }
  return ended;
}

bool Family::is_empty() const {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

void Family::signal_tree(pid_t leader, int signal) const {
  ::kill(-leader, signal);  // at once, so that none forks in between
  for (const Relative& relative : descendants_of(leader)) {
    if (relative.group != leader) {
      ::kill(relative.pid, signal);
    }
  }
}

void Family::signal_all(std::span<const pid_t> leaders, int signal) const {
  for (const pid_t leader : leaders) {
    if (leader > 0) {
      ::kill(-leader, signal);
    }
  }
  for (const Relative& relative : descendants_of(::getpid())) {
    if (std::find(leaders.begin(), leaders.end(), relative.group) == leaders.end()) {
      ::kill(relative.pid, signal);
    }
  }
}

void Family::kill_rest_of_group(pid_t leader) const {
  for (const Relative& relative : descendants_of(::getpid())) {
    if (relative.group == leader) {
      ::kill(relative.pid, SIGKILL);
    }
  }
}

std::vector<pid_t> Family::children() const {
  std::vector<pid_t> children;
  for (const Relative& relative : descendants_of(::getpid())) {
    if (relative.parent == ::getpid()) {
      children.push_back(relative.pid);
    }
  }
  return children;
}

void Family::kill_children() const {
  for (const pid_t child : children()) {
    ::kill(child, SIGKILL);
  }
}

}  // namespace mlpipe
