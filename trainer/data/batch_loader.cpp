#include "trainer/data/batch_loader.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "trainer/data/augment.hpp"

namespace mlpipe {
namespace {

template <typename Value>
std::span<Value> allocate(const AllocateBytes& allocate, std::size_t count,
                          std::vector<std::shared_ptr<void>>& memory) {
  const std::size_t bytes = std::max<std::size_t>(1, count) * sizeof(Value);
  memory.push_back(allocate ? allocate(bytes) : std::shared_ptr<void>(std::make_shared<std::byte[]>(bytes)));
  return {static_cast<Value*>(memory.back().get()), count};
}

// Room for one batch, and what filled it.
struct Slot {
  std::vector<std::shared_ptr<void>> memory;  // what the spans lie in
  std::span<float> values;
  std::span<std::int64_t> classes;
  std::span<float> targets;
  std::vector<float> raw;  // only where encoding changes the number of values
  std::vector<float> scratch;
  std::vector<std::size_t> rows;
  LoadedBatch batch;
  std::exception_ptr error;
  bool ready = false;
};

// How a batch comes to be; the same from any thread.
class Filler {
 public:
  Filler(const Part& part, const Shape& raw, const Preprocessing& preprocessing,
         const std::optional<Augmentation>& augmentation, const LoaderOptions& options)
      : part_(part),
        shape_(raw),
        preprocessing_(preprocessing),
        augmentation_(augmentation),
        batch_(options.batch),
        raw_values_(element_count(raw)),
        input_values_(preprocessing.encoded_values(raw_values_)) {}

  Slot make_slot(const AllocateBytes& bytes) const {
    Slot slot;
    slot.values = allocate<float>(bytes, batch_ * input_values_, slot.memory);
    slot.classes = allocate<std::int64_t>(bytes, part_.targets.classes.empty() ? 0 : batch_, slot.memory);
    slot.targets =
        allocate<float>(bytes, part_.targets.values.empty() ? 0 : batch_ * part_.targets.width, slot.memory);
    return slot;
  }

  void fill(std::span<const std::size_t> examples, std::uint64_t seed, Slot& slot) const {
    const std::size_t count = examples.size();
    slot.rows.clear();
    for (const std::size_t example : examples) {
      slot.rows.push_back(part_.rows[example]);
    }
    const std::span<float> values = slot.values.first(count * input_values_);
    std::span<float> raw = values;
    if (raw_values_ != input_values_) {
      slot.raw.resize(count * raw_values_);
      raw = slot.raw;
    }
    part_.examples->read(slot.rows, raw);
    if (augmentation_) {
      for (std::size_t i = 0; i < count; ++i) {
        augment(*augmentation_, shape_, example_seed(seed, slot.rows[i]),
                raw.subspan(i * raw_values_, raw_values_), slot.scratch);
      }
    }
    preprocessing_.apply(raw, values, raw_values_);
    slot.batch.values = values;
    slot.batch.count = count;
    slot.batch.classes = copy_targets<std::int64_t>(part_.targets.classes, 1, examples, slot.classes);
    slot.batch.targets =
        copy_targets<float>(part_.targets.values, part_.targets.width, examples, slot.targets);
  }

 private:
  template <typename Value>
  static std::span<const Value> copy_targets(std::span<const Value> all, std::size_t width,
                                             std::span<const std::size_t> examples, std::span<Value> to) {
    if (all.empty()) {
      return {};
    }
    auto at = to.begin();
    for (const std::size_t example : examples) {
      at = std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(example * width), width, at);
    }
    return to.first(examples.size() * width);
  }

  const Part& part_;
  Shape shape_;
  Preprocessing preprocessing_;
  std::optional<Augmentation> augmentation_;
  std::size_t batch_;
  std::size_t raw_values_;
  std::size_t input_values_;
};

}  // namespace

// Batch b of an epoch is filled into slot b modulo their number, once the consumer is done with what was in
// it. All that workers and consumer share is behind the mutex, but for a slot that a worker is filling and
// the one that the consumer holds.
class BatchLoader::Implementation {
 public:
  Implementation(const Part& part, const Shape& raw, const Preprocessing& preprocessing,
                 const std::optional<Augmentation>& augmentation, const LoaderOptions& options)
      : filler_(part, raw, preprocessing, augmentation, options), batch_(options.batch) {
    const auto workers = static_cast<std::size_t>(std::max(0, options.workers));
    const std::size_t slots = workers == 0 ? 1 : std::max<std::size_t>(1, options.ahead) + workers + 1;
    for (std::size_t i = 0; i < slots; ++i) {
      slots_.push_back(filler_.make_slot(options.allocate));
    }
    for (std::size_t i = 0; i < workers; ++i) {
      workers_.emplace_back([this] { work(); });
    }
  }

  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  ~Implementation() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

  void start_epoch(std::vector<std::size_t> order, std::uint64_t seed, std::size_t first_batch) {
    std::unique_lock lock(mutex_);
    to_fill_ = batches_;  // nothing more of the epoch before
    changed_.wait(lock, [this] { return busy_ == 0; });
    for (Slot& slot : slots_) {
      slot.ready = false;
      slot.error = nullptr;
    }
    order_ = std::move(order);
    seed_ = seed;
    batches_ = (order_.size() + batch_ - 1) / batch_;
    to_fill_ = to_hand_ = std::min(first_batch, batches_);
    holds_one_ = false;
    changed_.notify_all();
  }

  const LoadedBatch* next() {
    std::unique_lock lock(mutex_);
    if (std::exchange(holds_one_, false)) {
      slots_[(to_hand_ - 1) % slots_.size()].ready = false;
      changed_.notify_all();
    }
    if (to_hand_ == batches_) {
      return nullptr;
    }
    Slot& slot = slots_[to_hand_ % slots_.size()];
    if (workers_.empty()) {
      filler_.fill(examples_of(to_hand_), seed_, slot);
    } else {
      changed_.wait(lock, [&slot] { return slot.ready; });
      if (slot.error) {
        std::rethrow_exception(slot.error);
      }
    }
    ++to_hand_;
    holds_one_ = true;
    return &slot.batch;
  }

 private:
  std::span<const std::size_t> examples_of(std::size_t batch) const {
    const std::span<const std::size_t> order(order_);
    return order.subspan(batch * batch_, std::min(batch_, order.size() - batch * batch_));
  }

  // The oldest batch whose slot is still in use.
  std::size_t oldest() const { return holds_one_ ? to_hand_ - 1 : to_hand_; }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(
          lock, [this] { return stopping_ || (to_fill_ < batches_ && to_fill_ < oldest() + slots_.size()); });
      if (stopping_) {
        return;
      }
      const std::size_t batch = to_fill_++;
      Slot& slot = slots_[batch % slots_.size()];
      const std::span<const std::size_t> examples = examples_of(batch);
      const std::uint64_t seed = seed_;
      ++busy_;
      lock.unlock();
      std::exception_ptr error;
      try {
        filler_.fill(examples, seed, slot);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      --busy_;
      slot.error = error;
      slot.ready = true;
      changed_.notify_all();
    }
  }

  const Filler filler_;
  const std::size_t batch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> order_;
  std::uint64_t seed_ = 0;
  std::size_t batches_ = 0;
  std::size_t to_fill_ = 0;  // the next batch that a worker takes
  std::size_t to_hand_ = 0;  // the next batch that the consumer gets
  bool holds_one_ = false;   // the consumer has the batch before it
  std::size_t busy_ = 0;     // workers that are filling
  bool stopping_ = false;
  std::vector<Slot> slots_;
  std::vector<std::jthread> workers_;  // last, so that they end before what they use
};

BatchLoader::BatchLoader(const Part& part, const Shape& raw, const Preprocessing& preprocessing,
                         const std::optional<Augmentation>& augmentation, const LoaderOptions& options)
    : implementation_(std::make_unique<Implementation>(part, raw, preprocessing, augmentation, options)) {}

BatchLoader::~BatchLoader() = default;

void BatchLoader::start_epoch(std::vector<std::size_t> order, std::uint64_t seed, std::size_t first_batch) {
  implementation_->start_epoch(std::move(order), seed, first_batch);
}

const LoadedBatch* BatchLoader::next() {
  return implementation_->next();
}

}  // namespace mlpipe
