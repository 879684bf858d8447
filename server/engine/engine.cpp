#include "server/engine/engine.hpp"

#include <fmt/format.h>

#include <utility>

namespace mlpipe {

const char* phase_name(EngineState::Phase phase) {
  switch (phase) {
    case EngineState::Phase::starting:
      return "starting";
    case EngineState::Phase::serving:
      return "serving";
    case EngineState::Phase::draining:
      break;
  }
  return "draining";
}

const char* phase_name(LoadAttempt::Phase phase) {
  switch (phase) {
    case LoadAttempt::Phase::none:
      return "none";
    case LoadAttempt::Phase::reading:
      return "reading";
    case LoadAttempt::Phase::warming:
      return "warming";
    case LoadAttempt::Phase::succeeded:
      return "succeeded";
    case LoadAttempt::Phase::failed:
      break;
  }
  return "failed";
}

std::shared_ptr<const ModelVersion> Engine::load(const std::filesystem::path& directory,
                                                 const std::string& label) {
  const std::unique_lock alone(loading_, std::try_to_lock);
  if (!alone.owns_lock()) {
    throw LoadUnderWay("another load is under way", "try again when it has ended");
  }
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  };
  {
    const std::lock_guard lock(mutex_);
    state_.load = {LoadAttempt::Phase::reading, label, directory, "", {}};
  }
  try {
    auto version = std::make_shared<ModelVersion>(label, directory, loader_(directory));
    enter(LoadAttempt::Phase::warming);
    version->warm_up();
    std::shared_ptr<const ModelVersion> old;  // ends outside of the lock, should it be the last to hold it
    const std::lock_guard lock(mutex_);
    old = std::exchange(state_.current, version);
    if (state_.phase == EngineState::Phase::starting) {
      state_.phase = EngineState::Phase::serving;
    }
    state_.load.phase = LoadAttempt::Phase::succeeded;
    state_.load.duration = elapsed();
    ++state_.loads_succeeded;
    return version;
  } catch (const std::exception& failure) {
    const std::lock_guard lock(mutex_);
    state_.load.phase = LoadAttempt::Phase::failed;
    state_.load.error = failure.what();
    state_.load.duration = elapsed();
    ++state_.loads_failed;
    throw;
  }
}

std::shared_ptr<const ModelVersion> Engine::current() const {
  const std::lock_guard lock(mutex_);
  return state_.current;
}

EngineState Engine::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Engine::begin_draining() {
  const std::lock_guard lock(mutex_);
  state_.phase = EngineState::Phase::draining;
}

void Engine::enter(LoadAttempt::Phase phase) {
  const std::lock_guard lock(mutex_);
  state_.load.phase = phase;
}

}  // namespace mlpipe
