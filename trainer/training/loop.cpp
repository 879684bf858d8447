#include "trainer/training/loop.hpp"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>
#include <numeric>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "trainer/network/network_module.hpp"
#include "trainer/training/batches.hpp"
#include "trainer/training/device.hpp"
#include "trainer/training/objective.hpp"
#include "trainer/training/process_group.hpp"
#include "trainer/training/randomness.hpp"
#include "trainer/training/saved_tensors.hpp"
#include "trainer/training/shared_gradient.hpp"
#include "trainer/training/weight_optimizer.hpp"

namespace mlpipe {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Adds the time of its life to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum), start_(Clock::now()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { sum_ += seconds_since(start_); }

 private:
  double& sum_;
  Clock::time_point start_;
};

// The part of something that one of several processes takes.
std::size_t share_begin(std::size_t count, int rank, int size) {
  return count * static_cast<std::size_t>(rank) / static_cast<std::size_t>(size);
}

std::vector<std::size_t> positions(std::size_t first, std::size_t end) {
  std::vector<std::size_t> result(end - first);
  std::iota(result.begin(), result.end(), first);
  return result;
}

class Trainer {
 public:
  explicit Trainer(const TrainingRun& run)
      : run_(run),
        training_(run.training),
        device_(find_device(training_.device)),
        objective_(training_, run.dataset, run.target, device_),
        share_(static_cast<std::size_t>(training_.batch / run.group.size())),
        examples_(run.dataset.training, run.dataset, run.preprocessing, training_.data.augment,
                  training_.network, objective_, device_, share_, workers()),
        held_out_(run.dataset.held_out, run.dataset, run.preprocessing, std::nullopt, training_.network,
                  objective_, device_, held_out_at_once, workers()),
        batches_((static_cast<std::int64_t>(run.dataset.training.count()) + training_.batch - 1) /
                 training_.batch),
        observe_every_((batches_ * training_.epochs + most_batch_observations - 1) / most_batch_observations),
        rate_(training_.schedule, training_.optimizer.learning_rate, training_.epochs, batches_) {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/!device_.is_cpu());
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    at::manual_seed(training_.seed);
    module_.emplace(training_.network);
    if (works_on_images(training_.network)) {
      module_->use_channels_last();
    }
    module_->move_to(device_);
    if (training_.precision == Precision::bf16) {
      module_->compute_in_bf16();
    }
    weights_ = module_->parameters();
    optimizer_ = std::make_unique<WeightOptimizer>(training_.optimizer, weights_);
    state_.stopping.lower_is_better = state_.best.lower_is_better = lower_is_better(training_.metric);
    state_.stopping.min_delta = training_.early_stopping ? training_.early_stopping->min_delta : 0;
    resume();
    if (run.group.size() > 1) {
      gradient_.emplace(weights_, run.group);
    }
  }

  TrainedNetwork train() {
    const Clock::time_point start = Clock::now();
    last_checkpoint_ = start;
    std::int64_t trained_here = 0;
    while (state_.epoch < training_.epochs && !stops_early()) {
      const Clock::time_point epoch_start = Clock::now();
      const std::int64_t first_batch = state_.batch;
      EpochResult result;
      result.epoch = state_.epoch + 1;
      result.loss = train_epoch();
      result.samples_per_second = static_cast<double>((batches_ - first_batch) * training_.batch) /
                                  std::max(seconds_since(epoch_start), 1e-9);
      result.held_out = evaluate_held_out();
      end_epoch(result);
      ++trained_here;
      result.seconds_left = seconds_since(start) / static_cast<double>(trained_here) *
                            static_cast<double>(training_.epochs - state_.epoch);
      run_.epoch_ended(result);
    }
    TrainedNetwork trained;
    trained.weights = training_.select == Select::best ? best_weights_ : module_->weights();
    trained.epochs = state_.epoch;
    trained.epoch = training_.select == Select::best ? state_.best_epoch : state_.epoch;
    trained.loss = last_loss_;
    trained.history = std::move(state_.history);
    trained.seconds = seconds_since(start);
    trained.seconds_beside = seconds_beside_;
    return trained;
  }

 private:
  static constexpr std::size_t held_out_at_once = 256;

  // A GPU does not wait for the processor to fill the next batch.
  int workers() const {
    const int wanted = loader_workers(training_.data, run_.dataset);
    return device_.is_cpu() ? wanted : std::max(wanted, 1);
  }

  // Of the training examples, those of this process's share of every batch, in their order.
  std::vector<std::size_t> own_order() const {
    std::vector<std::size_t> all = order_of(run_.dataset.training.count(), training_.seed, state_.epoch);
    if (run_.group.size() == 1) {
      return all;
    }
    std::vector<std::size_t> own;
    for_each_batch(all, [&](std::span<const std::size_t> batch) {
      const std::span<const std::size_t> part = share_of(batch);
      own.insert(own.end(), part.begin(), part.end());
    });
    return own;
  }

  template <typename Function>
  void for_each_batch(std::span<const std::size_t> order, Function&& function) const {
    const auto size = static_cast<std::size_t>(training_.batch);
    for (std::size_t first = 0; first < order.size(); first += size) {
      function(order.subspan(first, std::min(size, order.size() - first)));
    }
  }

  std::span<const std::size_t> share_of(std::span<const std::size_t> batch) const {
    const std::size_t first = share_begin(batch.size(), run_.group.rank(), run_.group.size());
    return batch.subspan(first, share_begin(batch.size(), run_.group.rank() + 1, run_.group.size()) - first);
  }

  // What each batch's loss on this process counts among all processes: its share of the whole batch's weight.
  std::vector<double> loss_shares() const {
    std::vector<double> shares;
    for_each_batch(order_of(run_.dataset.training.count(), training_.seed, state_.epoch),
                   [&](std::span<const std::size_t> batch) {
                     shares.push_back(objective_.weight_of(share_of(batch)) / objective_.weight_of(batch));
                   });
    return shares;
  }

  // From the batch that the state names to the epoch's end. Returns the mean loss.
  double train_epoch() {
    module_->train();
    const std::vector<double> shares = gradient_ ? loss_shares() : std::vector<double>();
    {
      const Stopwatch beside(seconds_beside_);
      examples_.start_epoch(own_order(), seed_for(Purpose::augmentation, training_.seed, {state_.epoch}),
                            static_cast<std::size_t>(state_.batch));
    }
    while (state_.batch < batches_) {
      stop_if_asked();
      std::optional<Batch> batch;
      {
        const Stopwatch beside(seconds_beside_);
        batch = examples_.next();
      }
      const double rate = rate_.at(state_.epoch, state_.batch);
      const auto number = static_cast<std::size_t>(state_.batch);
      train_batch(batch, gradient_ ? shares[number] : 1, rate);
      ++state_.batch;
      observe_batch(rate);
      if (checkpoint_is_due_by_time()) {
        checkpoint();
      }
    }
    flush_losses();
    return state_.loss_sum / static_cast<double>(run_.dataset.training.count());
  }

  // `batch` is nothing where this process has no share of a last, small batch.
  void train_batch(const std::optional<Batch>& batch, double share, double rate) {
    at::manual_seed(
        seed_for(Purpose::dropout, training_.seed, {state_.epoch, state_.batch, run_.group.rank()}));
    if (gradient_) {
      gradient_->clear();
    } else {
      for (at::Tensor& weight : weights_) {
        weight.mutable_grad().reset();
      }
    }
    at::Tensor loss = at::zeros({}, at::TensorOptions(device_));
    if (batch) {
      loss = objective_.loss(module_->forward(batch->input), batch->truth);
      if (gradient_) {
        loss = loss.mul(share);
      }
      loss.backward();
    }
    loss = loss.detach();
    if (gradient_) {
      asked_to_stop_ = gradient_->add_up(loss, run_.stop.signal() != 0);
    }
    if (training_.clip) {
      clip_gradient(*training_.clip);
    }
    optimizer_->step(rate);
    losses_.push_back(loss);
  }

  void clip_gradient(double most) {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& weight : weights_) {
      if (weight.grad().defined()) {
        gradients.push_back(weight.grad());
      }
    }
    const at::Tensor norm = at::stack(at::_foreach_norm(gradients)).norm();
    at::_foreach_mul_(gradients, norm.add(1e-6).reciprocal_().mul_(most).clamp_max_(1));
  }

  // Losses stay on a GPU for a while: to ask for each would make it wait.
  void observe_batch(double rate) {
    constexpr std::size_t most_waiting = 50;
    const std::int64_t step = state_.epoch * batches_ + state_.batch;
    const bool observe = step % observe_every_ == 0;
    if (!observe && !device_.is_cpu() && losses_.size() < most_waiting) {
      return;
    }
    flush_losses();
    if (observe) {
      state_.history.push_back(
          {step,
           state_.epoch + 1,
           false,
           {{"batch_loss", state_.recent_loss / static_cast<double>(state_.recent_batches)},
            {"learning_rate", rate}}});
      state_.recent_loss = 0;
      state_.recent_batches = 0;
    }
  }

  void flush_losses() {
    if (losses_.empty()) {
      return;
    }
    const at::Tensor all = at::stack(losses_).to(at::kCPU);
    const auto* values = all.const_data_ptr<float>();
    const std::int64_t first = state_.batch - all.numel();
    losses_.clear();
    for (std::int64_t i = 0; i < all.numel(); ++i) {
      const double loss = values[i];
      if (!std::isfinite(loss)) {
        throw Error(
            fmt::format("the loss is {} in epoch {}, batch {} of {}", loss, state_.epoch + 1, first + i + 1,
                        batches_),
            fmt::format("lower the learning rate, which is {}, or clip the gradient, or scale the data",
                        number_text(rate_.at(state_.epoch, first + i))));
      }
      const std::int64_t examples =
          std::min(training_.batch,
                   static_cast<std::int64_t>(run_.dataset.training.count()) - (first + i) * training_.batch);
      state_.loss_sum += loss * static_cast<double>(examples);
      state_.recent_loss += loss;
      ++state_.recent_batches;
    }
  }

  // Each process answers its part, and all get all answers.
  Evaluation evaluate_held_out() {
    const Part& part = run_.dataset.held_out;
    const std::size_t first = share_begin(part.count(), run_.group.rank(), run_.group.size());
    const std::size_t end = share_begin(part.count(), run_.group.rank() + 1, run_.group.size());
    share_running_statistics();
    const at::NoGradGuard no_grad;
    module_->evaluate();
    at::Tensor scores = at::zeros(
        {static_cast<std::int64_t>(part.count()), static_cast<std::int64_t>(run_.dataset.labels.size())});
    auto row = static_cast<std::int64_t>(first);
    held_out_.start_epoch(positions(first, end), 0);
    for (auto batch = held_out_.next(); batch; batch = held_out_.next()) {
      if (run_.group.size() == 1) {
        stop_if_asked();
      }
      scores.narrow(0, row, batch->count).copy_(objective_.scores(module_->forward(batch->input)));
      row += batch->count;
    }
    run_.group.sum(scores);
    const Stopwatch beside(seconds_beside_);
    return evaluate({.task = training_.task,
                     .loss = training_.loss.regression,
                     .labels = run_.dataset.labels,
                     .scores = {scores.const_data_ptr<float>(), static_cast<std::size_t>(scores.numel())},
                     .classes = part.targets.classes,
                     .targets = part.targets.values,
                     .target_divisor = run_.target.divisor});
  }

  // Batchnorm's: each process has seen other examples.
  void share_running_statistics() {
    for (at::Tensor& buffer : module_->buffers()) {
      if (run_.group.size() > 1 && buffer.is_floating_point()) {
        run_.group.sum(buffer);
        buffer.div_(run_.group.size());
      }
    }
  }

  void end_epoch(const EpochResult& result) {
    last_loss_ = result.loss;
    const std::optional<double> metric = result.held_out.find(training_.metric);
    if (!metric) {
      throw UsageError(
          fmt::format("there is no {} to go by: the held-out part has too few labels", training_.metric),
          "choose another early-stopping.metric, or hold out more");
    }
    Observation observation = {
        (state_.epoch + 1) * batches_, state_.epoch + 1, true, {{"train_loss", result.loss}}};
    for (const auto& [name, value] : result.held_out.metrics) {
      if (name.find("_of_") == std::string::npos) {
        observation.values.emplace_back(name == "loss" ? "held_out_loss" : name, value);
      }
    }
    state_.history.push_back(std::move(observation));
    state_.stopping.observe(*metric);
    const bool better = state_.best.observe(*metric);
    rate_.epoch_ended(better);
    if (better) {
      state_.best_epoch = state_.epoch + 1;
      if (training_.select == Select::best) {
        best_weights_ = module_->weights();
      }
    }
    ++state_.epoch;
    state_.batch = 0;
    state_.loss_sum = 0;
    if (!training_.checkpoint.time && state_.epoch % training_.checkpoint.epochs == 0) {
      checkpoint();
    }
  }

  bool stops_early() const {
    return training_.early_stopping && state_.stopping.waited >= training_.early_stopping->patience;
  }

  void stop_if_asked() {
    const int signal = run_.stop.signal();
    if (run_.group.size() == 1 ? signal != 0 : asked_to_stop_) {
      flush_losses();
      checkpoint();
      throw Stopped{signal == 0 ? SIGTERM : signal};
    }
  }

  bool checkpoint_is_due_by_time() const {
    return training_.checkpoint.time && Clock::now() - last_checkpoint_ >= *training_.checkpoint.time;
  }

  void checkpoint() {
    last_checkpoint_ = Clock::now();
    if (run_.checkpoints == nullptr || run_.group.rank() != 0) {
      return;
    }
    const Stopwatch beside(seconds_beside_);
    flush_losses();
    state_.optimizer_steps = optimizer_->steps();
    state_.rate = rate_.state();
    state_.tensors = save_tensors(*module_, *optimizer_, best_weights_);
    try {
      run_.checkpoints->write(state_);
    } catch (const Error& error) {
      run_.tell(fmt::format("no checkpoint was written, and the one before is kept: {}", error.what()));
    }
    state_.tensors.clear();
  }

  void resume() {
    if (run_.checkpoints != nullptr && run_.group.rank() == 0) {
      if (std::optional<TrainingState> state = run_.checkpoints->read()) {
        take_over(std::move(*state));
      }
    }
    if (run_.group.size() > 1) {
      share_state(run_.group, *module_, *optimizer_, state_);
    }
    rate_.restore(state_.rate);
    optimizer_->set_steps(state_.optimizer_steps);
  }

  void take_over(TrainingState state) {
    state.stopping.lower_is_better = state.best.lower_is_better = state_.best.lower_is_better;
    state.stopping.min_delta = state_.stopping.min_delta;
    state_ = std::move(state);
    best_weights_ = restore_tensors(state_.tensors, *module_, *optimizer_);
    state_.tensors.clear();
    for (auto at = state_.history.rbegin(); at != state_.history.rend(); ++at) {
      if (at->epoch_ended) {
        last_loss_ = at->values.front().second;
        break;
      }
    }
    run_.tell(fmt::format("goes on after epoch {}, batch {} of {}", state_.epoch, state_.batch, batches_));
  }

  const TrainingRun& run_;
  const Training& training_;
  at::Device device_;
  Objective objective_;
  std::size_t share_;  // of a batch, for this process
  Batches examples_;
  Batches held_out_;
  std::int64_t batches_;  // in an epoch
  std::int64_t observe_every_;
  LearningRate rate_;
  std::optional<NetworkModule> module_;
  std::vector<at::Tensor> weights_;
  std::unique_ptr<WeightOptimizer> optimizer_;
  std::optional<SharedGradient> gradient_;  // where several processes train
  bool asked_to_stop_ = false;              // one of them
  std::vector<at::Tensor> losses_;          // that were not looked at yet
  TrainingState state_;
  std::vector<NamedTensor> best_weights_;
  double last_loss_ = 0;
  double seconds_beside_ = 0;
  Clock::time_point last_checkpoint_;
};

[[noreturn]] void fail_for_memory(const Training& training) {
  throw Error(fmt::format("the memory does not suffice for a batch of {} examples and {} parameters",
                          training.batch, training.network.parameters()),
              "take a smaller batch or a smaller network");
}

}  // namespace

TrainedNetwork train_network(const TrainingRun& run) {
  try {
    return Trainer(run).train();
  } catch (const c10::OutOfMemoryError&) {
    fail_for_memory(run.training);
  } catch (const std::bad_alloc&) {
    fail_for_memory(run.training);
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("not enough memory") != std::string::npos ||
        what.find("can't allocate memory") != std::string::npos) {
      fail_for_memory(run.training);
    }
    throw;
  }
}

}  // namespace mlpipe
