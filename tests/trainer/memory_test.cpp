// Data that is larger than what the memory may hold.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "tests/trainer/data_fixture.hpp"
#include "tests/trainer/files.hpp"
#include "trainer/data/batch_loader.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;

constexpr std::size_t megabyte = std::size_t{1} << 20U;

std::size_t data_size() {
  for (const std::string& line : split(read_file("/proc/self/status"), '\n')) {
    if (line.starts_with("VmData:")) {
      return static_cast<std::size_t>(parse_integer(split(trim(line.substr(7)), ' ').front()).value_or(0)) *
             1024;
    }
  }
  return 0;
}

class Memory : public DataFixture {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer takes more memory than any limit of this test";
#endif
  }

  // Runs it in a process of its own that may have so much more memory than now; what files are mapped does
  // not count. Returns what it threw, or an empty text.
  std::string with_memory(std::size_t bytes, const std::function<void()>& action) {
    const std::string report = path("report").string();
    const pid_t child = ::fork();
    if (child == 0) {
      const rlim_t most = data_size() + bytes;
      const rlimit limit{most, most};
      std::string fault;
      try {
        if (::chdir(path(".").c_str()) != 0 || ::setrlimit(RLIMIT_DATA, &limit) != 0) {
          fault = "the limit could not be set";
        } else {
          action();
        }
      } catch (const std::exception& error) {
        fault = error.what();
      }
      std::FILE* file = std::fopen(report.c_str(), "w");
      std::fputs(fault.c_str(), file);
      std::fclose(file);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? read_file(report) : "it was killed";
  }
};

// An epoch over the training part, and what its values add up to.
double sum_of_epoch(const TrainingData& data, int workers) {
  const Dataset dataset = read_dataset(data, Task::classification);
  const Preprocessing scaling = fit_preprocessing(data, dataset);
  LoaderOptions options;
  options.workers = workers;
  BatchLoader loader(dataset.training, dataset.shape, scaling, {}, options);
  std::vector<std::size_t> order(dataset.training.count());
  std::iota(order.rbegin(), order.rend(), 0);
  loader.start_epoch(std::move(order), 0);
  double sum = 0;
  while (const LoadedBatch* batch = loader.next()) {
    sum = std::accumulate(batch->values.begin(), batch->values.end(), sum);
  }
  return sum;
}

TrainingData unscaled(DataSource source) {
  TrainingData data;
  data.source = std::move(source);
  data.scale = Preprocessing::Kind::none;
  data.split = Split{0.5, 0};
  return data;
}

void expect_sum(double sum, double expected) {
  if (sum != expected) {
    throw Error("the epoch adds up to " + std::to_string(sum) + " instead of " + std::to_string(expected));
  }
}

// 24 MB of bytes, which would be 96 MB as floats; each example holds only its class, 1 or 3.
constexpr std::int64_t examples = 12000;
constexpr std::int64_t values = 2048;

std::string example_bytes() {
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(examples * values));
  for (std::int64_t i = 0; i < examples; ++i) {
    bytes.append(static_cast<std::size_t>(values), i % 2 == 0 ? '\1' : '\3');
  }
  return bytes;
}

std::string class_bytes() {
  std::string bytes;
  for (std::int64_t i = 0; i < examples; ++i) {
    bytes += i % 2 == 0 ? '\1' : '\3';
  }
  return bytes;
}

TEST_F(Memory, ArraysAreReadWhereTheyLie) {
  write_npz(path("a.npz"),
            {{"x_train", npy_bytes("|u1", {examples, values}, example_bytes())},
             {"y_train", npy_bytes("|u1", {examples}, class_bytes())}},
            "store");
  const double expected = static_cast<double>(examples * values);  // half the examples, of mean 2
  NpzSource npz;
  npz.file = path("a.npz");
  EXPECT_EQ(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(unscaled(npz), 0), expected); }), "");

  IdxSource idx{write("x", idx_bytes(0x08, {examples, values}, example_bytes())),
                write("y", idx_bytes(0x08, {examples}, class_bytes())),
                {},
                {}};
  EXPECT_EQ(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(unscaled(idx), 1), expected); }), "");

  SafetensorsSource tensors;
  tensors.file = write("a.safetensors", tensor_bytes({{"x_train", "U8", {examples, values}, example_bytes()},
                                                      {"y_train", "U8", {examples}, class_bytes()}}));
  EXPECT_EQ(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(unscaled(tensors), 0), expected); }),
            "");
}

TEST_F(Memory, WhatIsCompressedGoesToATemporaryFile) {
  write_npz(path("a.npz"), {{"x_train", npy_bytes("|u1", {examples, values}, example_bytes())},
                            {"y_train", npy_bytes("|u1", {examples}, class_bytes())}});
  NpzSource npz;
  npz.file = path("a.npz");
  TrainingData data = unscaled(npz);
  data.memory = megabyte;
  const double expected = static_cast<double>(examples * values);
  EXPECT_EQ(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(data, 0), expected); }), "");
  data.memory = 1024 * megabyte;  // the limit is one that keeping it in memory does not pass
  EXPECT_NE(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(data, 0), expected); }), "");
}

TEST_F(Memory, ATableGoesToATemporaryFile) {
  constexpr int rows = 20000;
  constexpr int columns = 300;  // 24 MB of floats
  std::string text = "kind";
  for (int i = 0; i < columns; ++i) {
    text += ",c" + std::to_string(i);
  }
  const std::string ones = [] {
    std::string row;
    for (int i = 0; i < columns; ++i) {
      row += ",1";
    }
    return row + "\n";
  }();
  text += "\n";
  for (int i = 0; i < rows; ++i) {
    text += (i % 2 == 0 ? "x" : "y") + ones;
  }
  TrainingData data = unscaled(CsvSource{write("t.csv", text), {"kind"}});
  data.memory = megabyte;
  const double expected = rows / 2.0 * columns;
  EXPECT_EQ(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(data, 0), expected); }), "");
  data.memory = 1024 * megabyte;
  EXPECT_NE(with_memory(12 * megabyte, [&] { expect_sum(sum_of_epoch(data, 0), expected); }), "");
}

}  // namespace
}  // namespace mlpipe
