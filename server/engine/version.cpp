#include "server/engine/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <future>
#include <utility>

namespace mlpipe {
namespace {

std::vector<float> middle_example(const Model& model) {
  std::vector<float> example(model.values(), (model.least + model.most) / 2);
  for (std::size_t i = 0; i < std::min(model.columns.size(), example.size()); ++i) {
    const Column& column = model.columns[i];
    example[i] = column.categories.empty() ? (column.least + column.most) / 2 : 0;
  }
  if (model.network.index_count()) {
    std::fill(example.begin(), example.end(), 0.0F);
  }
  return example;
}

// Of this thread: whatever else the machine does.
std::chrono::nanoseconds processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

ModelVersion::ModelVersion(std::string label, std::filesystem::path directory,
                           std::unique_ptr<const Servable> servable, BatchLimits limits, Executor& executor)
    : label_(std::move(label)),
      directory_(std::move(directory)),
      servable_(std::move(servable)),
      digest_(servable_->digest()),
      limits_(limits),
      loaded_at_(std::chrono::system_clock::now()),
      batcher_(std::make_shared<Batcher>(
          [servable = servable_](std::span<const float> rows, std::size_t count) {
            return servable->predict(rows, count);
          },
          model().values(), model().labels.size(), limits, executor)) {}

std::chrono::nanoseconds ModelVersion::warm_up() {
  const std::vector<float> example = middle_example(model());
  const std::size_t largest = limits_.largest_batch;
  std::chrono::nanoseconds took{0};
  for (const std::size_t wanted :
       {std::size_t{1}, std::size_t{2}, std::size_t{8}, largest, largest, std::size_t{1}}) {
    const std::size_t count = std::min(wanted, largest);
    std::vector<float> rows;
    rows.reserve(count * example.size());
    for (std::size_t i = 0; i < count; ++i) {
      rows.insert(rows.end(), example.begin(), example.end());
    }
    const std::chrono::nanoseconds start = processor_time();
    try {
      batcher_->compute(rows, count);
    } catch (const UnscorableExample& failure) {
      throw Error(fmt::format("warming up {}: {}", directory_.string(), failure.what()),
                  "the weights do not fit the data that model.yaml describes");
    }
    if (count == largest) {
      took = processor_time() - start;
    }
  }
  loaded_at_ = std::chrono::system_clock::now();
  return took;
}

std::vector<float> ModelVersion::predict(std::span<const float> rows, std::size_t count) const {
  std::promise<std::vector<float>> promise;
  InferenceTask task;
  task.rows.assign(rows.begin(), rows.end());
  task.count = count;
  task.done = [&promise](const std::exception_ptr& failure, Inference inference) {
    if (failure) {
      promise.set_exception(failure);
    } else {
      promise.set_value(std::move(inference.scores));
    }
  };
  submit(std::move(task));
  return promise.get_future().get();
}

}  // namespace mlpipe
