// See bench/forward.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <time.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "trainer/network/inference_network.hpp"
#include "trainer/network/network_module.hpp"
#include "trainer/network/runtime.hpp"
#include "trainer/network/torchscript.hpp"

namespace {

using namespace mlpipe;

struct Case {
  const char* name;
  const char* layers;
  Shape input;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"MNIST CNN",
       "[conv: 32, relu, conv: 64, relu, maxpool: 2, dropout: 0.25, flatten, "
       "linear: 128, relu, dropout: 0.5, linear: 10]",
       {1, 28, 28}},
      {"MLP 64-32-10", "[linear: 32, relu, linear: 10]", {64}},
  };
  return all;
}

Network network_of(const Case& one) {
  const YamlDocument document = parse_yaml(one.name, one.layers);
  Diagnostics diagnostics(document);
  Network network = read_network(document.root, diagnostics);
  infer_shapes(network, one.input, 10, diagnostics);
  diagnostics.throw_if_any();
  return network;
}

torch::jit::Module script_of(const Network& network, const std::vector<NamedTensor>& weights) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / torchscript_file;
  write_torchscript(network, weights, file);
  torch::jit::Module module = torch::jit::load(file.string());
  module.eval();
  torch::jit::Module frozen = torch::jit::freeze(module);
  return torch::jit::optimize_for_inference(frozen);
}

// Of this thread: what else runs on the machine counts only by the caches it takes.
double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_of(const std::function<void()>& function, std::int64_t times) {
  const double start = processor_seconds();
  for (std::int64_t i = 0; i < times; ++i) {
    function();
  }
  return (processor_seconds() - start) / static_cast<double>(times);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool compare(const Case& one, std::int64_t rounds) {
  const Network network = network_of(one);
  const std::vector<NamedTensor> weights = NetworkModule(network).weights();
  const InferenceNetwork ours(network, weights, one.name);
  torch::jit::Module script = script_of(network, weights);
  bool all_reached = true;
  for (const std::int64_t batch : {1, 8, 32, 64}) {
    Shape shape = {batch};
    shape.insert(shape.end(), one.input.begin(), one.input.end());
    const at::Tensor input = at::rand(shape);
    const auto run_ours = [&] {
      const c10::InferenceMode inference;
      ours.forward(input);
    };
    const auto run_script = [&] {
      const at::NoGradGuard no_grad;
      script.forward({input});
    };
    seconds_of(run_ours, 5);
    seconds_of(run_script, 5);  // the first calls compile it
    const auto times = static_cast<std::int64_t>(0.02 / seconds_of(run_ours, 5)) + 1;
    std::vector<double> first, second, ratios;
    for (std::int64_t round = 0; round < rounds; ++round) {
      first.push_back(seconds_of(run_ours, times));
      second.push_back(seconds_of(run_script, times));
      ratios.push_back(second.back() / first.back());
    }
    const double goal = batch == 1 ? 1.0 : 0.97;
    const double ratio = median(ratios);
    all_reached = all_reached && ratio >= goal;
    fmt::print("{}, batch {}: {:.0f}/s, TorchScript {:.0f}/s, ratio {:.2f} (goal {:.2f})\n", one.name, batch,
               static_cast<double>(batch) / median(first), static_cast<double>(batch) / median(second), ratio,
               goal);
  }
  return all_reached;
}

double wall_seconds_of(const std::function<void()>& function, std::int64_t times) {
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < times; ++i) {
    function();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(times);
}

// For bench/serving, whose figures are in time that passes: the most examples a second that TorchScript
// reaches in batches, and its time for one.
void measure_script(const Case& one) {
  const Network network = network_of(one);
  torch::jit::Module script = script_of(network, NetworkModule(network).weights());
  double best_rate = 0;
  double single = 0;
  for (const std::int64_t batch : {1, 8, 16, 32, 64}) {
    Shape shape = {batch};
    shape.insert(shape.end(), one.input.begin(), one.input.end());
    const at::Tensor input = at::rand(shape);
    const auto run = [&] {
      const at::NoGradGuard no_grad;
      script.forward({input});
    };
    seconds_of(run, 5);
    const double seconds = wall_seconds_of(run, static_cast<std::int64_t>(0.3 / seconds_of(run, 5)) + 1);
    best_rate = std::max(best_rate, static_cast<double>(batch) / seconds);
    single = batch == 1 ? seconds : single;
  }
  fmt::print("{{\"best_rate\": {:.1f}, \"single_ms\": {:.4f}}}\n", best_rate, single * 1e3);
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--peer") {
    keep_freed_memory();
    set_compute_threads(1);
    measure_script(cases().front());
    return 0;
  }
  const auto rounds = count > 1 ? parse_integer(arguments[1]) : std::optional<std::int64_t>(21);
  if (!rounds || *rounds < 1) {
    fmt::print(stderr, "bench/forward: '{}' is no number of rounds\n", arguments[1]);
    return 2;
  }
  keep_freed_memory();
  set_compute_threads(1);
  bool all_reached = true;
  for (const Case& one : cases()) {
    all_reached = compare(one, *rounds) && all_reached;
  }
  return all_reached ? 0 : 1;
}
