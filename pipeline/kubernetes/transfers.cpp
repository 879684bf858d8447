#include "pipeline/kubernetes/transfers.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/engine.hpp"
#include "pipeline/oci/push_engine_image.hpp"
#include "pipeline/oci/registry_options.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_threads = 4;

}  // namespace

std::string ImagesInRegistry::reference_of(const OrderedImage& image) {
  if (image.id.empty()) {
    return image.name;
  }
  if (registry_.empty()) {
    throw Error(fmt::format("the nodes of a cluster cannot pull {}, which is in an engine of this machine",
                            printable(image.name)),
                "name a registry by `kubernetes: { registry: HOST/REPOSITORY }`, or images in one");
  }
  const std::lock_guard lock(mutex_);
  std::string& reference = pushed_[image.id];
  if (reference.empty()) {
    const Environment environment = own_environment();
    const ImageReference target = parse_reference(registry_);
    RegistryClient client(target.registry, environment, registry_options(environment));
    const ImageReference pushed =
        push_engine_image(Engine::find("", environment), image.id, client, target, "image");
    reference =
        fmt::format("{}/{}@{}", pushed.registry, pushed.repository, digest_text(pushed.digest.value()));
  }
  return reference;
}

Transfers::Transfers(Loop& loop, std::string url) : loop_(loop), url_(std::move(url)) {}

Transfers::~Transfers() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    orders_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Transfers::add(std::function<Environment()> variables, Work work, Done done) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back({std::move(variables), std::move(work), std::move(done)});
    if (orders_.size() > free_ && threads_.size() < most_threads) {
      threads_.emplace_back([this] { run(); });
    }
  }
  changed_.notify_one();
}

void Transfers::run() {
  std::map<Environment, std::unique_ptr<Remote>> remotes;  // connections of this thread's own
  while (true) {
    Order order;
    {
      std::unique_lock lock(mutex_);
      ++free_;
      changed_.wait(lock, [this] { return ended_ || !orders_.empty(); });
      --free_;
      if (ended_) {
        return;
      }
      order = std::move(orders_.front());
      orders_.pop_front();
    }
    std::exception_ptr fault;
    try {
      const Environment variables = order.variables();
      std::unique_ptr<Remote>& remote = remotes[variables];
      if (!remote) {
        Environment environment = own_environment();
        for (const auto& [name, value] : variables) {
          environment[name] = value;
        }
        remote = open_remote(url_, environment);
      }
      order.work(*remote);
    } catch (...) {
      fault = std::current_exception();
    }
    loop_.post([done = std::move(order.done), fault] { done(fault); });
  }
}

}  // namespace mlpipe
