#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>

#include "pipeline/base/yaml.hpp"
#include "trainer/training/report.hpp"
#include "trainer/training/stop.hpp"

namespace mlpipe {

// What mlpipe-train was asked for.
struct TrainingJob {
  YamlDocument config;  // the mapping `train:`
  std::string name;     // of the model
  std::filesystem::path model_directory;
  std::filesystem::path report_directory;
  std::optional<int> cores;  // to use at most where the config names no threads; a small network takes one
};

struct TrainingOutcome {
  Metrics metrics;
  double seconds = 0;         // of this attempt's training
  double seconds_beside = 0;  // of these, those spent on data, logging and checkpoints
};

// Reads the data, trains, writes model and report (folders are made), and returns how good the model is.
// `out` is told how far it is. Nothing is written to the model's folder before the training has ended well.
// With $MLPIPE_CHECKPOINT_DIR it leaves checkpoints there and goes on from the last one; with RANK and
// WORLD_SIZE it is one of several processes, of which the first alone writes, and the others return nothing.
// Throws SpecError and UsageError for a wrong config or wrong data, Error for a training that fails, Stopped
// when it is asked to stop, after a checkpoint.
std::optional<TrainingOutcome> run_training(const TrainingJob& job, const StopRequest& stop,
                                            std::ostream& out);

}  // namespace mlpipe
