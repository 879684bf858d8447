#pragma once

#include <c10/core/Device.h>

#include <string>

#include "pipeline/model/training.hpp"

namespace mlpipe {

// The device that a training wants, where it is there. Throws UsageError when it is not.
at::Device find_device(const Device& wanted);

// "cpu", or "cuda:0".
std::string device_name(const at::Device& device);

}  // namespace mlpipe
