#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/engine/executor.hpp"
#include "server/engine/servable.hpp"
#include "server/engine/version.hpp"

namespace mlpipe {

// Another load has not ended yet; try again when it has.
class LoadUnderWay : public Error {
 public:
  using Error::Error;
};

// No model or no version of that name is loaded.
class UnknownModel : public Error {
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

// A model, what of it is loaded, and how what is sent to it is shared out.
struct ServedModel {
  struct Version {
    std::shared_ptr<const ModelVersion> version;
    double weight = 0;   // its share of what names no version, relative to the others
    double balance = 0;  // of the sharing out: what it is owed
  };
  // Weights that hold until somebody fails to renew them in time.
  struct Lease {
    std::chrono::steady_clock::time_point until;
    std::map<std::string, double> before;  // the weights that come back then, by label
  };
  std::string name;
  std::vector<Version> versions;               // in the order of their loading
  std::map<std::string, std::string> aliases;  // name → label; "latest" is always the one loaded last
  std::optional<Lease> lease;

  // The one with the largest weight, the latest of equals.
  const std::shared_ptr<const ModelVersion>& main() const;
};

// What the engine is doing, as one consistent value.
struct EngineState {
  // starting: no version has been loaded yet; serving; draining: it answers what is under way and will end.
  enum class Phase { starting, serving, draining };
  Phase phase = Phase::starting;
  std::shared_ptr<const ModelVersion> current;  // the default model's main version; null while starting
  std::vector<ServedModel> models;  // in the order of their first loading; the first is the default
  LoadAttempt load;
  std::uint64_t loads_succeeded = 0;
  std::uint64_t loads_failed = 0;
};

const char* phase_name(EngineState::Phase phase);
const char* phase_name(LoadAttempt::Phase phase);

struct EngineOptions {
  unsigned threads = 1;     // that compute, for all models together
  BatchLimits limits = {};  // of every version; never more instances than threads
  // How long the largest batch of a version may take that is computed where requests are read, and so keeps
  // others from being read (see Batcher::use_near).
  std::chrono::microseconds longest_near{20'000};
};

// Holds the models that answer, each in one or several versions. A new version is loaded and warmed up beside
// those that serve and takes over under one lock; who asked for a version before goes on with it.
// Thread-safe.
class Engine {
 public:
  enum class Takeover {
    // The new version gets all traffic, and the model's other versions are unloaded. A server of one model
    // takes it for its model, whatever its name.
    replace,
    beside,  // it gets none until set_weights says so, and can be asked for by its label
  };

  explicit Engine(ModelLoader loader, EngineOptions options = {});

  // Returns the new version once it serves. When it throws, the old ones go on serving: Error says what is
  // wrong with the model, LoadUnderWay that another load has not ended. A version of the same label is
  // replaced, its weight and its place among the others kept.
  std::shared_ptr<const ModelVersion> load(const std::filesystem::path& directory, const std::string& label,
                                           Takeover takeover = Takeover::replace);

  // Unloads a version, or all of them when `label` is empty. What was asked of it before is still answered.
  // Throws UnknownModel.
  void unload(const std::string& model, const std::string& label);

  // How what names no version is shared out: a weight, from 0, for each label; others get none. With a
  // `lease` it is so for that long, unless it is set again meanwhile; then what was before the first lease
  // comes back. Throws UnknownModel, and UsageError when no weight is more than 0.
  void set_weights(const std::string& model, const std::map<std::string, double>& weights,
                   std::optional<std::chrono::milliseconds> lease = std::nullopt);

  // A movable name for a loaded version. Throws UnknownModel, and UsageError for "latest".
  void set_alias(const std::string& model, const std::string& alias, const std::string& label);

  // The version that is to answer: an empty name means the default model; an empty version leaves it to the
  // weights, else it is a label or an alias. Throws UnknownModel.
  std::shared_ptr<const ModelVersion> pick(const std::string& model = "", const std::string& version = "");

  // The default model's main version; null before the first load.
  std::shared_ptr<const ModelVersion> current() const;

  EngineState state() const;
  void begin_draining();

  // Where requests are read, for the fast versions; see EngineOptions. Until then, and after
  // leave_transport(), they are computed on the engine's own threads. It must outlive its use.
  void use_transport(Executor& transport) { near_.attach(transport); }
  void leave_transport() { near_.detach(); }

  // Answers what still waits and computes nothing from then on. To be called before those end whom the
  // answers are for.
  void finish() { pool_.finish(); }

 private:
  void enter(LoadAttempt::Phase phase);
  std::shared_ptr<ModelVersion> prepare(const std::filesystem::path& directory, const std::string& label);
  ServedModel& find(const std::string& model);

  ModelLoader loader_;
  EngineOptions options_;
  std::mutex loading_;        // held for the whole of a load
  mutable std::mutex mutex_;  // guards the state, held for moments
  EngineState state_;
  AttachableExecutor near_;
  ThreadPool pool_;  // last: it ends first, and what it still computes finds the rest
};

}  // namespace mlpipe
