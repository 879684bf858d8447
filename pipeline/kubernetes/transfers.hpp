#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/base/process.hpp"
#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/kubernetes/loop.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

// Images in the registry that nodes pull from. Any number of threads may ask.
class ImagesInRegistry {
 public:
  // `registry` is "HOST/REPOSITORY"; empty: there is none, and an image of an engine is an Error.
  explicit ImagesInRegistry(std::string registry) : registry_(std::move(registry)) {}

  // "HOST/REPOSITORY@sha256:…". Pushes what an engine has, once. Throws Error.
  std::string reference_of(const OrderedImage& image);

 private:
  std::string registry_;
  std::mutex mutex_;  // one push at a time
  std::map<std::string, std::string> pushed_;
};

// What takes time and blocks, done by a few threads: bytes from and to the remote.
class Transfers {
 public:
  using Work = std::function<void(Remote&)>;
  // Hears how it went: nothing, or what was thrown.
  using Done = std::function<void(std::exception_ptr)>;

  Transfers(Loop& loop, std::string url);
  // Waits for what is under way; what has not begun is dropped.
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // Does it in another thread, where `variables` is asked first for what else of the environment says where
  // the remote is; `done` is called on the loop's.
  void add(std::function<Environment()> variables, Work work, Done done);

 private:
  struct Order {
    std::function<Environment()> variables;
    Work work;
    Done done;
  };

  void run();

  Loop& loop_;
  std::string url_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Order> orders_;
  std::size_t free_ = 0;  // threads that wait
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mlpipe
