#include "trainer/data/batch_loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "pipeline/base/error.hpp"
#include "trainer/data/statistics.hpp"

namespace mlpipe {
namespace {

using Values = std::vector<float>;

Part part_of(std::size_t count, std::size_t values_per_example) {
  Values values(count * values_per_example);
  std::iota(values.begin(), values.end(), 0.0F);
  Part part;
  part.examples = in_memory(std::move(values), values_per_example);
  for (std::size_t i = 0; i < count; ++i) {
    part.rows.push_back(i);
    part.targets.classes.push_back(static_cast<std::int64_t>(i % 3));
  }
  return part;
}

std::vector<std::size_t> backwards(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.rbegin(), order.rend(), 0);
  return order;
}

struct Epoch {
  Values values;
  std::vector<std::int64_t> classes;
  std::vector<std::size_t> counts;
  friend bool operator==(const Epoch&, const Epoch&) = default;
};

Epoch epoch_of(BatchLoader& loader, std::vector<std::size_t> order, std::uint64_t seed = 0,
               std::size_t first_batch = 0) {
  Epoch epoch;
  loader.start_epoch(std::move(order), seed, first_batch);
  while (const LoadedBatch* batch = loader.next()) {
    epoch.values.insert(epoch.values.end(), batch->values.begin(), batch->values.end());
    epoch.classes.insert(epoch.classes.end(), batch->classes.begin(), batch->classes.end());
    epoch.counts.push_back(batch->count);
  }
  return epoch;
}

LoaderOptions options_of(std::size_t batch, int workers) {
  LoaderOptions options;
  options.batch = batch;
  options.workers = workers;
  return options;
}

TEST(BatchLoader, GivesTheOrderInBatchesWhateverTheNumberOfWorkers) {
  const Part part = part_of(10, 2);
  const Preprocessing halves{Preprocessing::Kind::minmax, {0}, {2}};
  for (const int workers : {0, 1, 3}) {
    BatchLoader loader(part, {2}, halves, {}, options_of(4, workers));
    EXPECT_EQ(loader.next(), nullptr);  // no epoch yet
    for (int repeat = 0; repeat < 3; ++repeat) {
      const Epoch epoch = epoch_of(loader, backwards(10));
      EXPECT_EQ(epoch.counts, (std::vector<std::size_t>{4, 4, 2}));
      EXPECT_EQ(epoch.classes, (std::vector<std::int64_t>{0, 2, 1, 0, 2, 1, 0, 2, 1, 0}));
      EXPECT_EQ(epoch.values[0], 9);
      EXPECT_EQ(epoch.values[1], 9.5);
      EXPECT_EQ(epoch.values.back(), 0.5);
    }
    EXPECT_EQ(epoch_of(loader, backwards(10), 0, 2).classes, (std::vector<std::int64_t>{1, 0}));
    EXPECT_EQ(epoch_of(loader, backwards(10), 0, 3).counts.size(), 0U);
  }
}

TEST(BatchLoader, AugmentsTheSameWayForTheSameSeed) {
  const Part part = part_of(12, 3 * 4 * 5);
  const Augmentation augmentation{true, true, 1};
  std::vector<Epoch> epochs;
  for (const int workers : {0, 1, 4}) {
    BatchLoader loader(part, {3, 4, 5}, {}, augmentation, options_of(5, workers));
    epochs.push_back(epoch_of(loader, backwards(12), 7));
    EXPECT_EQ(epoch_of(loader, backwards(12), 7), epochs.front());
    EXPECT_NE(epoch_of(loader, backwards(12), 8), epochs.front());
  }
  EXPECT_EQ(epochs[0], epochs[1]);
  EXPECT_EQ(epochs[0], epochs[2]);
}

TEST(BatchLoader, CarriesTheTargetsOfARegression) {
  Part part = part_of(3, 1);
  part.targets = {{}, {10, 11, 20, 21, 30, 31}, 2};
  BatchLoader loader(part, {1}, {}, {}, options_of(2, 0));
  loader.start_epoch({2, 0, 1}, 0);
  const LoadedBatch* batch = loader.next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(Values(batch->targets.begin(), batch->targets.end()), (Values{30, 31, 10, 11}));
  EXPECT_TRUE(batch->classes.empty());
}

TEST(BatchLoader, TakesItsMemoryFromTheAllocator) {
  std::size_t bytes = 0;
  std::atomic<int> alive = 0;
  LoaderOptions options = options_of(2, 2);
  options.allocate = [&](std::size_t size) {
    bytes += size;
    ++alive;
    return std::shared_ptr<void>(::operator new(size), [&alive](void* memory) {
      ::operator delete(memory);
      --alive;
    });
  };
  const Part part = part_of(6, 4);
  {
    BatchLoader loader(part, {4}, {}, {}, options);
    EXPECT_EQ(epoch_of(loader, backwards(6)).counts.size(), 3U);
    EXPECT_GE(bytes, 3 * 2 * 4 * sizeof(float));
  }
  EXPECT_EQ(alive, 0);
}

// An example that cannot be read.
class OneBad : public ExampleSource {
 public:
  std::size_t count() const override { return 100; }
  void read(std::span<const std::size_t> examples, std::span<float> values) const override {
    for (const std::size_t example : examples) {
      if (example == 42) {
        throw Error("example 42 is gone");
      }
    }
    std::fill(values.begin(), values.end(), 1.0F);
  }
};

TEST(BatchLoader, ThrowsWhatReadingThrewWhenItsBatchIsDue) {
  Part part = part_of(100, 1);
  part.examples = std::make_shared<OneBad>();
  for (const int workers : {0, 2}) {
    BatchLoader loader(part, {1}, {}, {}, options_of(10, workers));
    std::vector<std::size_t> order(100);
    std::iota(order.begin(), order.end(), 0);
    loader.start_epoch(order, 0);
    for (int i = 0; i < 4; ++i) {
      ASSERT_NE(loader.next(), nullptr);
    }
    EXPECT_THROW(loader.next(), Error);
    EXPECT_THROW(loader.next(), Error);  // it does not skip what it could not read
    EXPECT_EQ(epoch_of(loader, {1, 2, 3}).counts, std::vector<std::size_t>{3});
  }
}

TEST(BatchLoader, CanBeLeftInTheMiddleOfAnEpoch) {
  const Part part = part_of(1000, 8);
  BatchLoader loader(part, {8}, {}, {}, options_of(3, 3));
  for (int i = 0; i < 20; ++i) {
    loader.start_epoch(backwards(1000), 0);
    ASSERT_NE(loader.next(), nullptr);
    ASSERT_NE(loader.next(), nullptr);
  }
}

TEST(Statistics, DoNotHangOnTheNumberOfWorkers) {
  Values values(300000);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((i * 7919) % 1000) + 1e6F;
  }
  const auto source = in_memory(values, 3);
  std::vector<std::size_t> rows(source->count());
  std::iota(rows.begin(), rows.end(), 0);
  const Statistics alone = statistics_of(*source, rows, {3}, "values");
  const Statistics shared = statistics_of(*source, rows, {3}, "values", 3);
  EXPECT_EQ(alone.mean, shared.mean);
  EXPECT_EQ(alone.squares, shared.squares);
  EXPECT_EQ(alone.least, shared.least);
  EXPECT_EQ(alone.count, 100000U);
  EXPECT_NEAR(alone.mean[0], 1000499.5, 1);
  EXPECT_NEAR(alone.together().mean[0], 1000499.5, 1e-6);
  EXPECT_NEAR(alone.together().squares[0] / 300000, (1000.0 * 1000 - 1) / 12, 1e-3);
}

TEST(Statistics, NameTheExampleThatIsNoNumber) {
  const auto source = in_memory({1, 2, 3, NAN}, 2);
  const std::vector<std::size_t> rows = {0, 1};
  try {
    statistics_of(*source, rows, {2}, "the file");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "the file: example 1 holds nan, which is no number to compute with");
  }
}

}  // namespace
}  // namespace mlpipe
