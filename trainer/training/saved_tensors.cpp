#include "trainer/training/saved_tensors.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

NamedTensor copy_of(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const auto* first = values.const_data_ptr<float>();
  return {name, values.sizes().vec(), {first, first + values.numel()}};
}

constexpr const char* weights_prefix = "weights.";
constexpr const char* optimizer_prefix = "optimizer.";
constexpr const char* best_prefix = "best.";

void append(std::vector<NamedTensor>& tensors, const char* prefix, const std::vector<NamedTensor>& more) {
  for (const NamedTensor& tensor : more) {
    tensors.push_back({prefix + tensor.name, tensor.shape, tensor.values});
  }
}

std::vector<NamedTensor> taken(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::vector<NamedTensor> result;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name.starts_with(prefix)) {
      result.push_back({tensor.name.substr(prefix.size()), tensor.shape, tensor.values});
    }
  }
  return result;
}

}  // namespace

std::vector<NamedTensor> save_tensors(const NetworkModule& module, const WeightOptimizer& optimizer,
                                      const std::vector<NamedTensor>& best_weights) {
  std::vector<NamedTensor> tensors;
  append(tensors, weights_prefix, module.weights());
  for (const auto& [name, tensor] : optimizer.state()) {
    tensors.push_back(copy_of(optimizer_prefix + name, tensor));
  }
  append(tensors, best_prefix, best_weights);
  return tensors;
}

std::vector<NamedTensor> restore_tensors(const std::vector<NamedTensor>& tensors, NetworkModule& module,
                                         WeightOptimizer& optimizer) {
  module.load(taken(tensors, weights_prefix), "the checkpoint");
  std::map<std::string, const NamedTensor*> kept;
  for (const NamedTensor& tensor : tensors) {
    kept.emplace(tensor.name, &tensor);
  }
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : optimizer.state()) {
    const auto found = kept.find(optimizer_prefix + name);
    if (found == kept.end() || found->second->shape != tensor.sizes().vec()) {
      throw Error(fmt::format("the checkpoint has no {} of the optimizer", name));
    }
    tensor.copy_(at::from_blob(const_cast<float*>(found->second->values.data()), tensor.sizes(), at::kFloat));
  }
  return taken(tensors, best_prefix);
}

void share_state(const ProcessGroup& group, NetworkModule& module, WeightOptimizer& optimizer,
                 TrainingState& state) {
  std::vector<at::Tensor> tensors = module.parameters();
  const std::vector<at::Tensor> buffers = module.buffers();
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  for (const auto& [name, tensor] : optimizer.state()) {
    tensors.push_back(tensor);
  }
  const at::NoGradGuard no_grad;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor values = tensor.detach().contiguous();
    group.broadcast(values);
    tensor.copy_(values);
  }
  const double none = std::nan("");
  at::Tensor numbers =
      at::tensor({static_cast<double>(state.epoch), static_cast<double>(state.batch),
                  static_cast<double>(state.optimizer_steps), state.loss_sum, state.rate.factor,
                  static_cast<double>(state.rate.waited), state.stopping.best.value_or(none),
                  static_cast<double>(state.stopping.waited), state.best.best.value_or(none),
                  static_cast<double>(state.best.waited)},
                 at::kDouble);
  group.broadcast(numbers);
  const auto* all = numbers.const_data_ptr<double>();
  const auto whole = [&](int i) { return static_cast<std::int64_t>(all[i]); };
  const auto number = [&](int i) { return std::isnan(all[i]) ? std::nullopt : std::optional(all[i]); };
  state.epoch = whole(0);
  state.batch = whole(1);
  state.optimizer_steps = whole(2);
  state.loss_sum = all[3];
  state.rate = {all[4], whole(5)};
  state.stopping.best = number(6);
  state.stopping.waited = whole(7);
  state.best.best = number(8);
  state.best.waited = whole(9);
}

}  // namespace mlpipe
