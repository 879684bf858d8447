#include "pipeline/kubernetes/loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace mlpipe {

using namespace std::chrono_literals;

Loop::Loop(std::string api_socket)
    : http_(std::move(api_socket)), bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!bell_) {
    throw_errno("making an event");
  }
  watch(bell_.get(), [this] { take_posts(); });
}

void Loop::run() {
  while (!stopped_) {
    const auto until = timers_.empty() ? Clock::now() + 60s : timers_.begin()->first.first;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    std::vector<pollfd> descriptors;
    descriptors.reserve(descriptors_.size());
    for (const auto& [descriptor, act] : descriptors_) {
      descriptors.push_back({descriptor, POLLIN, 0});
    }
    http_.wait(descriptors, std::clamp<std::chrono::milliseconds>(left, 0ms, 60s));
    for (const pollfd& descriptor : descriptors) {
      const auto found = descriptor.revents == 0 ? descriptors_.end() : descriptors_.find(descriptor.fd);
      if (found != descriptors_.end()) {
        const Act act = found->second;  // it may forget the descriptor
        act();
      }
    }
    http_.deliver();
    take_times();
  }
}

void Loop::post(Act act) {
  {
    const std::lock_guard lock(mutex_);
    posts_.push_back(std::move(act));
  }
  const std::uint64_t one = 1;
  static_cast<void>(::write(bell_.get(), &one, sizeof one));
}

void Loop::take_posts() {
  std::uint64_t count = 0;
  static_cast<void>(::read(bell_.get(), &count, sizeof count));
  std::vector<Act> posts;
  {
    const std::lock_guard lock(mutex_);
    posts.swap(posts_);
  }
  for (const Act& act : posts) {
    act();
  }
}

Loop::Timer Loop::after(std::chrono::milliseconds time, Act act) {
  const Timer timer = ++last_timer_;
  const auto when = Clock::now() + time;
  timers_.emplace(std::pair(when, timer), std::move(act));
  times_.emplace(timer, when);
  return timer;
}

void Loop::cancel(Timer timer) {
  if (const auto found = times_.find(timer); found != times_.end()) {
    timers_.erase({found->second, timer});
    times_.erase(found);
  }
}

void Loop::take_times() {
  while (!timers_.empty() && timers_.begin()->first.first <= Clock::now()) {
    const auto first = timers_.begin();
    const Act act = std::move(first->second);
    times_.erase(first->first.second);
    timers_.erase(first);
    act();
  }
}

void Loop::watch(int descriptor, Act act) {
  descriptors_[descriptor] = std::move(act);
}

void Loop::forget(int descriptor) {
  descriptors_.erase(descriptor);
}

}  // namespace mlpipe
