#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace mlpipe {

// Calls take(make(0)), take(make(1)), … take(make(count - 1)) in this order on this thread. `make` is called
// ahead on `workers` threads, or for none of them on this one, so it must be thread-safe. No more than a few
// results wait at a time. What `make` throws for a number is thrown here when it is that number's turn.
template <typename Result, typename Make, typename Take>
void for_each_in_order(std::size_t count, int workers, const Make& make, const Take& take) {
  if (workers <= 0) {
    for (std::size_t i = 0; i < count; ++i) {
      take(make(i));
    }
    return;
  }
  struct Slot {
    std::optional<Result> result;
    std::exception_ptr error;
    bool ready = false;
  };
  const std::size_t ahead = static_cast<std::size_t>(workers) * 2;
  std::vector<Slot> slots(ahead);
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t next = 0;   // to be made
  std::size_t taken = 0;  // so many were handed over
  bool stopping = false;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopping || next == count || next < taken + ahead; });
      if (stopping || next == count) {
        return;
      }
      const std::size_t number = next++;
      lock.unlock();
      Slot made;
      made.ready = true;
      try {
        made.result.emplace(make(number));
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      slots[number % ahead] = std::move(made);
      changed.notify_all();
    }
  };
  struct Stop {
    std::mutex& mutex;
    std::condition_variable& changed;
    bool& stopping;
    ~Stop() {
      const std::lock_guard lock(mutex);
      stopping = true;
      changed.notify_all();
    }
  };
  std::vector<std::jthread> threads;  // joined after `stop` has told them to end
  const Stop stop{mutex, changed, stopping};
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back(work);
  }
  for (std::size_t i = 0; i < count; ++i) {
    Slot slot;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return slots[i % ahead].ready; });
      slot = std::exchange(slots[i % ahead], Slot{});
      ++taken;
    }
    changed.notify_all();
    if (slot.error) {
      std::rethrow_exception(slot.error);
    }
    take(std::move(*slot.result));
  }
}

}  // namespace mlpipe
