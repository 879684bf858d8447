// mlpipe-train: a network from YAML, trained on tables, arrays or images, written as a model artifact.
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string_view>

#include "pipeline/base/error.hpp"
#include "trainer/network/runtime.hpp"
#include "trainer/summary.hpp"
#include "trainer/training/job.hpp"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_wrong_request = 2;
constexpr int exit_signal = 128;
constexpr int most_threads = 1024;

struct Request {
  std::string config;
  std::string name;
  std::string model;
  std::string report;
  std::optional<int> threads;
};

void describe(CLI::App& app, Request& request) {
  app.add_option("--config", request.config, "file with the mapping train: takes, YAML or JSON")->required();
  app.add_option("--name", request.name, "the model's name")->required();
  app.add_option("--model", request.model, "folder for model.yaml and weights.safetensors")->required();
  app.add_option("--report", request.report, "folder for metrics, learning curves and what was held out")
      ->required();
  app.add_option("--threads", request.threads,
                 "at most, where the config names no threads (default: the cores); a small network takes one")
      ->check(CLI::Range(1, most_threads));
  app.set_version_flag("--version", fmt::format("mlpipe-train {}, {} build, libtorch {}", MLPIPE_VERSION,
                                                MLPIPE_BUILD, mlpipe::libtorch_version()));
  app.footer(
      "mlpipe-train summary --config FILE prints the network as a table, without training it.\n"
      "Paths in the config are relative to the folder it is called in.\n"
      "With $MLPIPE_CHECKPOINT_DIR it leaves checkpoints there, and goes on from the last when it is run "
      "again.\n"
      "With RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT it is one of several processes that train "
      "together.\n"
      "Exit status: 0 trained, 1 failed, 2 wrong config or data, 143 stopped by SIGTERM.");
}

int fail(const std::string& message, const std::string& hint, int status) {
  std::cerr << "mlpipe-train: " << message << "\n";
  if (!hint.empty()) {
    std::cerr << "  " << hint << "\n";
  }
  return status;
}

int train(const Request& request) {
  const auto stop = mlpipe::StopRequest::watch();
  mlpipe::keep_freed_memory();
  try {
    const mlpipe::TrainingJob job = {mlpipe::read_yaml_file(request.config), request.name, request.model,
                                     request.report, request.threads};
    if (const auto outcome = mlpipe::run_training(job, stop, std::cout)) {
      const auto& [metric, value] = outcome->metrics.held_out.metrics.front();
      std::cout << fmt::format("{} {:.4f} on {} held-out examples; model in {}, report in {}\n", metric,
                               value, outcome->metrics.held_out_samples, request.model, request.report)
                << fmt::format(
                       "trained for {:.1f} s, {:.1f} % of it beside libtorch: data, logging, checkpoints\n",
                       outcome->seconds, 100 * outcome->seconds_beside / std::max(outcome->seconds, 1e-9));
    }
    return 0;
  } catch (const mlpipe::Stopped& stopped) {
    return fail("stopped before the training ended; no model was written",
                std::getenv("MLPIPE_CHECKPOINT_DIR") == nullptr
                    ? ""
                    : "run it again to go on from its last checkpoint",
                exit_signal + stopped.signal);
  } catch (const mlpipe::SpecError& error) {
    std::cerr << error.what() << "\n";
    return exit_wrong_request;
  } catch (const mlpipe::UsageError& error) {
    return fail(error.what(), error.hint(), exit_wrong_request);
  } catch (const mlpipe::Error& error) {
    return fail(error.what(), error.hint(), exit_failed);
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace(), "", exit_failed);
  } catch (const std::bad_alloc&) {
    return fail("the memory does not suffice", "take a smaller batch or network", exit_failed);
  } catch (const std::exception& error) {
    return fail(error.what(), "", exit_failed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "summary") {
    return mlpipe::summary_main(argc - 1, argv + 1);
  }
  CLI::App app{"Trains a network on data and writes it as a model that mlpipe-serve serves."};
  Request request;
  describe(app, request);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_wrong_request;
  }
  return train(request);
}
