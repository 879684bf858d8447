#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/model/network.hpp"
#include "trainer/data/batch_loader.hpp"
#include "trainer/training/objective.hpp"

namespace mlpipe {

// A batch on the device, in the memory format that the network is fastest with.
struct Batch {
  at::Tensor input;
  at::Tensor truth;
  std::int64_t count = 0;
};

// Brings the batches of a loader to the device. For a GPU they lie in pinned memory, and the copy goes on
// while the processor does something else.
class Batches {
 public:
  // What is referred to must outlive it.
  Batches(const Part& part, const Dataset& dataset, const Preprocessing& preprocessing,
          const std::optional<Augmentation>& augmentation, const Network& network, const Objective& objective,
          at::Device device, std::size_t batch, int workers);

  void start_epoch(std::vector<std::size_t> order, std::uint64_t seed, std::size_t first_batch = 0) {
    loader_.start_epoch(std::move(order), seed, first_batch);
  }
  // Nothing when the epoch is over. On a CPU it may lie in the loader's memory: valid until the next call.
  std::optional<Batch> next();

 private:
  Shape input_;  // of an example, as the network takes it
  bool channels_last_;
  const Objective& objective_;
  at::Device device_;
  BatchLoader loader_;
  std::optional<c10::Event> copied_;  // the batch before, on a GPU
};

}  // namespace mlpipe
