#include "trainer/training/progress.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ostream>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::string time_left(double seconds) {
  constexpr double one_minute = 60;
  if (seconds < one_minute) {
    return fmt::format("{:.0f} s left", seconds);
  }
  return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000))) + " left";
}

double held_out(const EpochResult& epoch, const std::string& metric) {
  return epoch.held_out.find(metric).value_or(std::nan(""));
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(std::abs(number));
  for (std::size_t end = text.size(); end > 3; end -= 3) {
    text.insert(end - 3, 1, ',');
  }
  return fmt::format("{}{}", number < 0 ? "-" : "", text);
}

std::string progress_line(const EpochResult& epoch, std::int64_t epochs, const std::string& metric) {
  std::string line =
      fmt::format("epoch {}/{}  loss {:.4f}  {} {:.4f}  {} samples/s", epoch.epoch, epochs, epoch.loss,
                  metric, held_out(epoch, metric), grouped(std::llround(epoch.samples_per_second)));
  return epoch.epoch < epochs ? fmt::format("{}  {}", line, time_left(epoch.seconds_left)) : line;
}

std::string progress_json(const EpochResult& epoch, std::int64_t epochs, const std::string& metric) {
  const nlohmann::ordered_json line = {
      {"done", epoch.epoch},
      {"total", epochs},
      {"unit", "epoch"},
      {"text", fmt::format("loss {:.4f} {} {:.4f}", epoch.loss, metric, held_out(epoch, metric))},
      {"rate", std::round(epoch.samples_per_second * 10) / 10},
      {"rate_unit", "samples/s"},
      {"seconds_left", std::round(epoch.seconds_left * 10) / 10}};
  return line.dump();
}

// The first of a task's metrics says most, unless the training goes by another.
ProgressReport::ProgressReport(std::ostream& out, const Training& training)
    : out_(out),
      epochs_(training.epochs),
      metric_(training.metric == "loss" ? (training.task == Task::regression ? "mae" : "accuracy")
                                        : training.metric) {
  const char* path = std::getenv("MLPIPE_PROGRESS");
  if (path != nullptr && *path != '\0') {
    file_ = open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
}

void ProgressReport::epoch_ended(const EpochResult& epoch) {
  out_ << progress_line(epoch, epochs_, metric_) << std::endl;  // flushed: a reader follows the log
  if (file_) {
    write_all(file_.get(), progress_json(epoch, epochs_, metric_) + "\n",
              "the file that MLPIPE_PROGRESS names");
  }
}

}  // namespace mlpipe
