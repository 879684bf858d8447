// What loading a model again and again leaves in memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "server/model/load_model.hpp"
#include "tests/trainer/random_network.hpp"
#include "trainer/network/runtime.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20U;

std::size_t resident_memory() {
  const std::vector<std::string> pages = split(read_file("/proc/self/statm"), ' ');
  return static_cast<std::size_t>(parse_integer(pages.at(1)).value_or(0)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(ModelMemory, IsFlatOverAHundredLoads) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what is freed";
#endif
  keep_freed_memory();  // both as mlpipe-serve does
  set_compute_threads(1);
  testing::RandomNetwork network = testing::random_network(
      "[conv: 8, batchnorm, relu, maxpool: 2, flatten, linear: 200, relu, linear: auto]", {1, 28, 28}, 3);
  const TemporaryDirectory folder;
  write_safetensors(folder.path() / weights_file, network.weights);
  Model model;
  model.input_shape = network.input;
  model.labels = {"a", "b", "c"};
  model.network = network.network;
  write_model(model, folder.path());
  const std::size_t size = std::filesystem::file_size(folder.path() / weights_file);
  ASSERT_GT(size, megabyte);

  const std::vector<float> examples = network.examples(32);
  const std::size_t values = model.values();
  std::size_t after_twenty = 0;
  // As a server does it: the new one is there before the old one goes, and answers a few sizes.
  std::unique_ptr<const Servable> serving;
  for (int loads = 1; loads <= 100; ++loads) {
    serving = load_model(folder.path());
    for (const std::size_t count : {1U, 5U, 32U}) {
      serving->predict(std::span(examples).first(count * values), count);
    }
    if (loads == 20) {
      after_twenty = resident_memory();
    }
  }
  // A model that is kept each time makes eighty, a twentieth of it four.
  const std::size_t after_hundred = resident_memory();
  RecordProperty("growth", static_cast<int>(after_hundred - after_twenty));
  EXPECT_LT(after_hundred, after_twenty + 4 * size);
}

}  // namespace
}  // namespace mlpipe
