#include "pipeline/model/task.hpp"

#include <array>
#include <utility>

namespace mlpipe {
namespace {

constexpr std::array<std::pair<const char*, Task>, 4> tasks = {{
    {"classification", Task::classification},
    {"binary", Task::binary},
    {"regression", Task::regression},
    {"svm", Task::svm},
}};

}  // namespace

std::string task_name(Task task) {
  for (const auto& [name, one] : tasks) {
    if (one == task) {
      return name;
    }
  }
  return "classification";
}

std::optional<Task> task_named(std::string_view name) {
  for (const auto& [word, task] : tasks) {
    if (word == name) {
      return task;
    }
  }
  return std::nullopt;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const auto& [name, task] : tasks) {
    names.emplace_back(name);
  }
  return names;
}

std::optional<std::int64_t> network_outputs(Task task, std::optional<std::int64_t> labels) {
  return task == Task::binary ? 1 : labels;
}

}  // namespace mlpipe
