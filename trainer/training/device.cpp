#include "trainer/training/device.hpp"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <fmt/format.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {

at::Device find_device(const Device& wanted) {
  const std::int64_t there = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (wanted.kind == Device::Kind::cpu || (wanted.kind == Device::Kind::automatic && there == 0)) {
    return {at::kCPU};
  }
  if (wanted.index >= there) {
    const std::string why = !at::hasCUDA() ? "this mlpipe-train finds no CUDA: it was built against a "
                                             "libtorch for CPUs, or there is no driver"
                            : there == 1   ? "there is one GPU here, cuda:0"
                                           : fmt::format("there are {} GPUs here", there);
    throw UsageError(fmt::format("the training asks for the device cuda:{}, and {}", wanted.index, why),
                     "write device: auto to train on what is there");
  }
  return {at::kCUDA, static_cast<at::DeviceIndex>(wanted.index)};
}

std::string device_name(const at::Device& device) {
  return device.str();
}

}  // namespace mlpipe
