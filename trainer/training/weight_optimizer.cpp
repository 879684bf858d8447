#include "trainer/training/weight_optimizer.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using Kind = Optimizer::Kind;
using Tensors = std::vector<at::Tensor>;

std::vector<std::string> names_of(const Optimizer& optimizer) {
  switch (optimizer.kind) {
    case Kind::adam:
    case Kind::adamw:
      return {"mean", "square"};
    case Kind::sgd:
      return optimizer.momentum > 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{};
    case Kind::adadelta:
      return {"square", "change"};
    case Kind::rmsprop:
      return optimizer.momentum > 0 ? std::vector<std::string>{"square", "momentum"}
                                    : std::vector<std::string>{"square"};
  }
  throw Error("an optimizer without a name");
}

// The tensor's values as they lie in memory.
at::Tensor flat(const at::Tensor& tensor) {
  return tensor.as_strided({tensor.numel()}, {1});
}

// Calls `function` with one block after another of tensors that lie in memory alike. On a CPU a block fits
// into a core's cache, so that a formula of ten operations reads main memory once, and threads take blocks; a
// GPU takes everything at once.
template <typename Function>
void for_each_block(const Tensors& tensors, Function&& function) {
  constexpr std::int64_t block = 16 * 1024;
  const std::int64_t count = tensors.front().numel();
  Tensors flats;
  for (const at::Tensor& tensor : tensors) {
    flats.push_back(flat(tensor));
  }
  if (!tensors.front().is_cpu() || count <= block) {
    function(flats);
    return;
  }
  at::parallel_for(0, (count + block - 1) / block, 1, [&](std::int64_t first, std::int64_t end) {
    const at::NoGradGuard no_grad;  // each thread has a mode of its own
    for (std::int64_t i = first; i < end; ++i) {
      Tensors parts;
      for (const at::Tensor& tensor : flats) {
        parts.push_back(tensor.narrow(0, i * block, std::min(block, count - i * block)));
      }
      function(parts);
    }
  });
}

// M. Zeiler, 2012. The tensors: weight, gradient, square, change.
void adadelta(const Tensors& t, const Optimizer& optimizer, double learning_rate) {
  constexpr double decay = 0.9;  // of both running means; PyTorch's rho
  constexpr double epsilon = 1e-6;
  const at::Tensor gradient = optimizer.weight_decay > 0 ? t[1].add(t[0], optimizer.weight_decay) : t[1];
  t[2].mul_(decay).addcmul_(gradient, gradient, 1 - decay);
  const at::Tensor change = t[3].add(epsilon).sqrt_().div_(t[2].add(epsilon).sqrt_()).mul_(gradient);
  t[3].mul_(decay).addcmul_(change, change, 1 - decay);
  t[0].add_(change, -learning_rate);
}

// G. Hinton's lecture, 2012. The tensors: weight, gradient, square and, where there is one, momentum.
void rmsprop(const Tensors& t, const Optimizer& optimizer, double learning_rate) {
  constexpr double decay = 0.99;  // PyTorch's alpha
  constexpr double epsilon = 1e-8;
  const at::Tensor gradient = optimizer.weight_decay > 0 ? t[1].add(t[0], optimizer.weight_decay) : t[1];
  t[2].mul_(decay).addcmul_(gradient, gradient, 1 - decay);
  const at::Tensor divisor = t[2].sqrt().add_(epsilon);
  if (t.size() > 3) {
    t[3].mul_(optimizer.momentum).addcdiv_(gradient, divisor);
    t[0].add_(t[3], -learning_rate);
  } else {
    t[0].addcdiv_(gradient, divisor, -learning_rate);
  }
}

}  // namespace

WeightOptimizer::WeightOptimizer(const Optimizer& optimizer, std::vector<at::Tensor> weights)
    : optimizer_(optimizer), weights_(std::move(weights)), names_(names_of(optimizer)) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Tensors& moments = moments_.emplace_back();
    for (const at::Tensor& weight : weights_) {
      moments.push_back(at::zeros_like(weight.detach()));
    }
  }
}

void WeightOptimizer::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  Tensors gradients;
  for (const at::Tensor& weight : weights_) {
    if (!weight.grad().defined()) {
      weight.mutable_grad() = at::zeros_like(weight);
    }
    gradients.push_back(weight.grad());
  }
  switch (optimizer_.kind) {
    case Kind::adam:
    case Kind::adamw:
      step_adam(gradients, learning_rate);
      break;
    case Kind::sgd:
      step_sgd(gradients, learning_rate);
      break;
    case Kind::adadelta:
    case Kind::rmsprop:
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        Tensors tensors = {weights_[i], gradients[i]};
        for (const Tensors& moments : moments_) {
          tensors.push_back(moments[i]);
        }
        for_each_block(tensors, [&](const Tensors& parts) {
          optimizer_.kind == Kind::adadelta ? adadelta(parts, optimizer_, learning_rate)
                                            : rmsprop(parts, optimizer_, learning_rate);
        });
      }
      break;
  }
  ++steps_;
}

void WeightOptimizer::step_adam(const Tensors& gradients, double learning_rate) {
  constexpr double first_decay = 0.9;
  constexpr double second_decay = 0.999;
  constexpr double epsilon = 1e-8;
  // The kernel wants the number of this step for each weight.
  const at::Tensor number =
      at::full({}, static_cast<double>(steps_ + 1), weights_.front().options().requires_grad(false));
  const Tensors numbers(weights_.size(), number);
  if (optimizer_.kind == Kind::adam) {
    at::_fused_adam_(weights_, gradients, moments_[0], moments_[1], {}, numbers, learning_rate, first_decay,
                     second_decay, optimizer_.weight_decay, epsilon, false, false);
  } else {
    at::_fused_adamw_(weights_, gradients, moments_[0], moments_[1], {}, numbers, learning_rate, first_decay,
                      second_decay, optimizer_.weight_decay, epsilon, false, false);
  }
}

void WeightOptimizer::step_sgd(const Tensors& gradients, double learning_rate) {
  at::_fused_sgd_(weights_, gradients, moments_.empty() ? Tensors() : moments_[0], optimizer_.weight_decay,
                  optimizer_.momentum, learning_rate, 0, optimizer_.nesterov, false, steps_ == 0);
}

std::vector<std::pair<std::string, at::Tensor>> WeightOptimizer::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (std::size_t name = 0; name < names_.size(); ++name) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      state.emplace_back(names_[name] + "." + std::to_string(i), moments_[name][i]);
    }
  }
  return state;
}

}  // namespace mlpipe
