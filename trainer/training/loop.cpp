#include "trainer/training/loop.hpp"

#include <ATen/Context.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "trainer/network/network_module.hpp"
#include "trainer/training/adadelta.hpp"

namespace mlpipe {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

AdadeltaOptions adadelta_options(double rate) {
  AdadeltaOptions options;
  options.learning_rate = rate;
  return options;
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(const Optimizer& optimizer,
                                                        std::vector<torch::Tensor> parameters) {
  namespace optim = torch::optim;
  const double rate = optimizer.learning_rate;
  switch (optimizer.kind) {
    case Optimizer::Kind::adamw:
      return std::make_unique<optim::AdamW>(std::move(parameters), optim::AdamWOptions(rate));
    case Optimizer::Kind::sgd:
      return std::make_unique<optim::SGD>(std::move(parameters),
                                          optim::SGDOptions(rate).momentum(optimizer.momentum));
    case Optimizer::Kind::adadelta:
      return std::make_unique<Adadelta>(std::move(parameters), adadelta_options(rate));
    case Optimizer::Kind::adam:
      break;
  }
  return std::make_unique<optim::Adam>(std::move(parameters), optim::AdamOptions(rate));
}

struct Batch {
  torch::Tensor input;
  torch::Tensor classes;
};

// Hands out batches of examples; their tensors are copies, in the memory format that the network is fastest
// with.
class BatchSource {
 public:
  BatchSource(const NetworkExamples& examples, const Shape& shape, bool channels_last)
      : count_(static_cast<std::int64_t>(examples.classes.size())), channels_last_(channels_last) {
    Shape sizes = {count_};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    // from_blob wants a pointer to what is not const, though nothing here writes to it.
    values_ = torch::from_blob(const_cast<float*>(examples.values.data()), sizes, torch::kFloat32);
    classes_ = torch::from_blob(const_cast<std::int64_t*>(examples.classes.data()), {count_}, torch::kInt64);
  }

  std::int64_t count() const { return count_; }

  Batch pick(std::span<std::int64_t> rows) const {
    const torch::Tensor index =
        torch::from_blob(rows.data(), {static_cast<std::int64_t>(rows.size())}, torch::kInt64);
    return {formatted(values_.index_select(0, index)), classes_.index_select(0, index)};
  }

  Batch slice(std::int64_t first, std::int64_t count) const {
    return {formatted(values_.narrow(0, first, count)), classes_.narrow(0, first, count)};
  }

 private:
  torch::Tensor formatted(const torch::Tensor& values) const {
    return channels_last_ ? values.contiguous(torch::MemoryFormat::ChannelsLast) : values;
  }

  std::int64_t count_;
  bool channels_last_;
  torch::Tensor values_;
  torch::Tensor classes_;
};

// An order of the examples for each epoch, from a random state of its own, so that dropout does not change
// it.
class Shuffler {
 public:
  Shuffler(std::int64_t count, std::uint64_t seed) : order_(static_cast<std::size_t>(count)), random_(seed) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  std::span<std::int64_t> next() {
    for (std::size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[random_() % i]);
    }
    return order_;
  }

 private:
  std::vector<std::int64_t> order_;
  std::mt19937_64 random_;
};

class Trainer {
 public:
  Trainer(const Training& training, const NetworkExamples& examples, const NetworkExamples& held_out,
          const StopRequest& stop)
      : training_(training),
        channels_last_(works_on_images(training.network)),
        examples_(examples, training.network.layers.front().input, channels_last_),
        held_out_(held_out, training.network.layers.front().input, channels_last_),
        shuffler_(examples_.count(), training.seed),
        stop_(stop) {
    at::globalContext().setDeterministicAlgorithms(true, false);
    torch::manual_seed(training.seed);
    module_ = build_module(training.network);
    if (channels_last_) {
      use_channels_last(module_);
    }
    optimizer_ = make_optimizer(training.optimizer, module_->parameters());
  }

  // Returns the mean loss.
  double train_epoch(std::int64_t epoch) {
    const std::span<std::int64_t> order = shuffler_.next();
    const auto batch_size = static_cast<std::size_t>(training_.batch);
    module_->train();
    double sum = 0;
    for (std::size_t first = 0; first < order.size(); first += batch_size) {
      throw_if_stopped(stop_);
      const std::span<std::int64_t> rows = order.subspan(first, std::min(batch_size, order.size() - first));
      const double loss = train_batch(examples_.pick(rows));
      if (!std::isfinite(loss)) {
        throw Error(fmt::format("the loss is {} in epoch {}, batch {} of {}", loss, epoch,
                                first / batch_size + 1, (order.size() + batch_size - 1) / batch_size),
                    fmt::format("lower the learning rate, which is {}, or scale the data",
                                number_text(training_.optimizer.learning_rate)));
      }
      sum += loss * static_cast<double>(rows.size());
    }
    return sum / static_cast<double>(order.size());
  }

  double held_out_accuracy() {
    constexpr std::int64_t at_once = 256;
    const torch::NoGradGuard no_grad;
    module_->eval();
    std::int64_t right = 0;
    for (std::int64_t first = 0; first < held_out_.count(); first += at_once) {
      throw_if_stopped(stop_);
      const Batch batch = held_out_.slice(first, std::min(at_once, held_out_.count() - first));
      right += module_->forward(batch.input).argmax(1).eq(batch.classes).sum().item<std::int64_t>();
    }
    return static_cast<double>(right) / static_cast<double>(held_out_.count());
  }

  std::int64_t count() const { return examples_.count(); }
  std::vector<NamedTensor> weights() { return weights_of(module_); }

 private:
  double train_batch(const Batch& batch) {
    optimizer_->zero_grad();
    const torch::Tensor loss = at::cross_entropy_loss(module_->forward(batch.input), batch.classes);
    loss.backward();
    optimizer_->step();
    return loss.item<double>();
  }

  const Training& training_;
  bool channels_last_;
  BatchSource examples_;
  BatchSource held_out_;
  Shuffler shuffler_;
  const StopRequest& stop_;
  torch::nn::Sequential module_ = nullptr;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace

TrainedNetwork train_network(const Training& training, const NetworkExamples& examples,
                             const NetworkExamples& held_out, const StopRequest& stop,
                             const std::function<void(const EpochResult&)>& after_epoch) {
  Trainer trainer(training, examples, held_out, stop);
  const Clock::time_point start = Clock::now();
  TrainedNetwork trained;
  for (std::int64_t epoch = 1; epoch <= training.epochs; ++epoch) {
    const Clock::time_point epoch_start = Clock::now();
    EpochResult result;
    result.epoch = epoch;
    result.loss = trainer.train_epoch(epoch);
    result.samples_per_second =
        static_cast<double>(trainer.count()) / std::max(seconds_since(epoch_start), 1e-9);
    result.accuracy = trainer.held_out_accuracy();
    result.seconds_left =
        seconds_since(start) / static_cast<double>(epoch) * static_cast<double>(training.epochs - epoch);
    after_epoch(result);
    trained.last = result;
  }
  trained.weights = trainer.weights();
  return trained;
}

}  // namespace mlpipe
