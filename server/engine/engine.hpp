#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "pipeline/base/error.hpp"
#include "server/engine/servable.hpp"
#include "server/engine/version.hpp"

namespace mlpipe {

// Another load has not ended yet; try again when it has.
class LoadUnderWay : public Error {
 public:
  using Error::Error;
};

// How far the latest load is or how it ended.
struct LoadAttempt {
  enum class Phase { none, reading, warming, succeeded, failed };
  Phase phase = Phase::none;
  std::string version;
  std::filesystem::path directory;
  std::string error;  // failed: why
  std::chrono::milliseconds duration{0};
};

// What the engine is doing, as one consistent value.
struct EngineState {
  // starting: no version has been loaded yet; serving; draining: it answers what is under way and will end.
  enum class Phase { starting, serving, draining };
  Phase phase = Phase::starting;
  std::shared_ptr<const ModelVersion> current;  // null while starting
  LoadAttempt load;
  std::uint64_t loads_succeeded = 0;
  std::uint64_t loads_failed = 0;
};

const char* phase_name(EngineState::Phase phase);
const char* phase_name(LoadAttempt::Phase phase);

// Holds the model version that answers. A new one is loaded and warmed up beside it and takes over under one
// lock; who asked for the current version before goes on with the old one. Thread-safe.
class Engine {
 public:
  explicit Engine(ModelLoader loader) : loader_(std::move(loader)) {}

  // Returns the new version once it serves. When it throws, the old one goes on serving: Error says what is
  // wrong with the model, LoadUnderWay that another load has not ended.
  std::shared_ptr<const ModelVersion> load(const std::filesystem::path& directory, const std::string& label);

  // The version that serves now; null before the first load.
  std::shared_ptr<const ModelVersion> current() const;

  EngineState state() const;
  void begin_draining();

 private:
  void enter(LoadAttempt::Phase phase);

  ModelLoader loader_;
  std::mutex loading_;        // held for the whole of a load
  mutable std::mutex mutex_;  // guards the state, held for moments
  EngineState state_;
};

}  // namespace mlpipe
