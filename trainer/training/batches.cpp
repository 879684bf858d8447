#include "trainer/training/batches.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "trainer/network/network_module.hpp"

namespace mlpipe {
namespace {

// Memory that a GPU copies from by itself; on a CPU the loader takes its own.
AllocateBytes pinned_for(at::Device device) {
  if (device.is_cpu()) {
    return {};
  }
  return [](std::size_t bytes) {
    const auto memory = std::make_shared<at::Tensor>(
        at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).pinned_memory(true)));
    return std::shared_ptr<void>(memory, memory->data_ptr());
  };
}

}  // namespace

Batches::Batches(const Part& part, const Dataset& dataset, const Preprocessing& preprocessing,
                 const std::optional<Augmentation>& augmentation, const Network& network,
                 const Objective& objective, at::Device device, std::size_t batch, int workers)
    : input_(network.layers.front().input),
      channels_last_(works_on_images(network)),
      objective_(objective),
      device_(device),
      loader_(part, dataset.shape, preprocessing, augmentation,
              LoaderOptions{.batch = batch, .workers = workers, .allocate = pinned_for(device)}) {}

std::optional<Batch> Batches::next() {
  if (copied_) {
    copied_->synchronize();  // before the loader fills that memory again
  }
  const LoadedBatch* loaded = loader_.next();
  if (loaded == nullptr) {
    return std::nullopt;
  }
  Batch batch;
  batch.count = static_cast<std::int64_t>(loaded->count);
  Shape sizes = {batch.count};
  sizes.insert(sizes.end(), input_.begin(), input_.end());
  // from_blob wants a pointer to what is not const, though nothing here writes to it.
  batch.input = at::from_blob(const_cast<float*>(loaded->values.data()), sizes, at::kFloat);
  batch.truth = objective_.truth(*loaded);
  if (!device_.is_cpu()) {
    batch.input = batch.input.to(device_, /*non_blocking=*/true);
    batch.truth = batch.truth.to(device_, /*non_blocking=*/true);
    copied_.emplace(device_.type());
    copied_->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
  if (channels_last_) {
    batch.input = batch.input.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return batch;
}

}  // namespace mlpipe
