#include "server/engine/engine.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr const char* latest = "latest";

ServedModel::Version* version_of(ServedModel& model, const std::string& label) {
  for (ServedModel::Version& each : model.versions) {
    if (each.version->label() == label) {
      return &each;
    }
  }
  return nullptr;
}

// A label, or what an alias stands for.
ServedModel::Version& named_version(ServedModel& model, const std::string& name) {
  if (ServedModel::Version* labelled = version_of(model, name)) {
    return *labelled;
  }
  const auto alias = model.aliases.find(name);
  if (alias != model.aliases.end()) {
    if (ServedModel::Version* found = version_of(model, alias->second)) {
      return *found;
    }
  }
  if (name == latest) {
    return model.versions.back();
  }
  std::vector<std::string> labels;
  for (const ServedModel::Version& each : model.versions) {
    labels.push_back("'" + each.version->label() + "'");
  }
  throw UnknownModel(fmt::format("version: '{}' of '{}' is not loaded, {} {}", name, model.name,
                                 join(labels, ", "), labels.size() == 1 ? "is" : "are"));
}

// nginx's smooth weighted round robin (ngx_http_upstream_round_robin.c): every version gets its share
// exactly, evenly spread.
const std::shared_ptr<const ModelVersion>& next_by_weight(ServedModel& model) {
  double total = 0;
  ServedModel::Version* next = nullptr;
  for (ServedModel::Version& each : model.versions) {
    total += each.weight;
    each.balance += each.weight;
    if (each.weight > 0 && (next == nullptr || each.balance > next->balance)) {
      next = &each;
    }
  }
  next->balance -= total;
  return next->version;
}

void forget_balances(ServedModel& model) {
  for (ServedModel::Version& each : model.versions) {
    each.balance = 0;
  }
}

// Gives the versions these weights; those that are not named get none. False, and nothing changed, when they
// would leave all without.
bool give_weights(ServedModel& model, const std::map<std::string, double>& by_label) {
  const auto weight_of = [&by_label](const ServedModel::Version& each) {
    const auto found = by_label.find(each.version->label());
    return found == by_label.end() ? 0 : found->second;
  };
  if (std::none_of(model.versions.begin(), model.versions.end(),
                   [&](const ServedModel::Version& each) { return weight_of(each) > 0; })) {
    return false;
  }
  bool changed = false;
  for (ServedModel::Version& each : model.versions) {
    const double weight = weight_of(each);
    changed = changed || weight != each.weight;
    each.weight = weight;
  }
  if (changed) {  // a lease that is renewed must not begin the sharing out anew: small shares would get none
    forget_balances(model);
  }
  return true;
}

void end_lease_when_over(ServedModel& model) {
  if (model.lease && std::chrono::steady_clock::now() >= model.lease->until) {
    give_weights(model, model.lease->before);
    model.lease.reset();
  }
}

std::shared_ptr<const ModelVersion> main_now(const ServedModel& model) {
  if (!model.lease) {
    return model.main();
  }
  ServedModel now = model;
  end_lease_when_over(now);
  return now.main();
}

// Takes the new version in; what it displaces goes to `displaced`.
void take_in(ServedModel& model, const std::shared_ptr<const ModelVersion>& version,
             Engine::Takeover takeover, std::vector<ServedModel::Version>& displaced) {
  ServedModel::Version* same = version_of(model, version->label());
  if (takeover == Engine::Takeover::replace) {
    displaced = std::exchange(model.versions, {{version, 1, 0}});
    model.lease.reset();
  } else if (same != nullptr) {
    displaced.push_back(std::exchange(*same, {version, same->weight, 0}));
  } else {
    model.versions.push_back({version, model.versions.empty() ? 1.0 : 0.0, 0});
  }
  forget_balances(model);
  std::erase_if(model.aliases, [&](const auto& alias) { return version_of(model, alias.second) == nullptr; });
}

// Runs it to its end in a thread that takes what the others leave: those that answer come first.
void run_in_the_background(const std::function<void()>& action) {
  constexpr int low_priority = 10;  // a tenth of a busy core: a load under overload still ends
  std::exception_ptr failure;
  std::thread([&] {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), low_priority);  // of this thread alone
    try {
      action();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace

const std::shared_ptr<const ModelVersion>& ServedModel::main() const {
  const Version* best = &versions.front();
  for (const Version& each : versions) {
    if (each.weight >= best->weight) {
      best = &each;
    }
  }
  return best->version;
}

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

Engine::Engine(ModelLoader loader, EngineOptions options)
    : loader_(std::move(loader)), options_(options), near_(pool_), pool_(std::max(1U, options.threads)) {
  options_.limits.instances = std::clamp(options_.limits.instances, 1U, std::max(1U, options.threads));
}

std::shared_ptr<const ModelVersion> Engine::load(const std::filesystem::path& directory,
                                                 const std::string& label, Takeover takeover) {
  const std::unique_lock alone(loading_, std::try_to_lock);
  if (!alone.owns_lock()) {
    throw LoadUnderWay("another load is under way", "try again when it has ended");
  }
  if (label.empty() || label == latest) {
    throw UsageError(fmt::format("'{}' cannot be the name of a version", label));
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
    std::shared_ptr<ModelVersion> version;
    const auto prepare_it = [&] { version = prepare(directory, label); };
    current() ? run_in_the_background(prepare_it) : prepare_it();
    std::vector<ServedModel::Version>
        displaced;  // ends outside of the lock, should it be the last to hold it
    const std::lock_guard lock(mutex_);
    auto model = std::find_if(state_.models.begin(), state_.models.end(),
                              [&](const ServedModel& each) { return each.name == version->model().name; });
    if (model == state_.models.end()) {
      // A model of another name that is to replace what serves is the new default.
      if (takeover == Takeover::replace && state_.models.size() == 1) {
        displaced = std::move(state_.models.front().versions);
        state_.models.clear();
      }
      model = state_.models.insert(state_.models.end(), {version->model().name, {}, {}});
    }
    take_in(*model, version, takeover, displaced);
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

std::shared_ptr<ModelVersion> Engine::prepare(const std::filesystem::path& directory,
                                              const std::string& label) {
  auto version = std::make_shared<ModelVersion>(label, directory, loader_(directory), options_.limits, pool_);
  enter(LoadAttempt::Phase::warming);
  const std::chrono::nanoseconds largest_batch = version->warm_up();
  if (largest_batch <= options_.longest_near && options_.limits.delay.count() == 0) {
    version->use_near(near_);
  }
  return version;
}

void Engine::unload(const std::string& name, const std::string& label) {
  std::vector<ServedModel::Version> displaced;
  const std::lock_guard lock(mutex_);
  ServedModel& model = find(name);
  if (label.empty()) {
    displaced = std::exchange(model.versions, {});
  } else {
    const std::string found = named_version(model, label).version->label();
    const auto gone = std::stable_partition(model.versions.begin(), model.versions.end(),
                                            [&](const auto& each) { return each.version->label() != found; });
    displaced.assign(gone, model.versions.end());
    model.versions.erase(gone, model.versions.end());
  }
  if (model.versions.empty()) {
    state_.models.erase(state_.models.begin() + (&model - state_.models.data()));
    return;
  }
  if (std::none_of(model.versions.begin(), model.versions.end(),
                   [](const auto& each) { return each.weight > 0; })) {
    model.versions.back().weight = 1;
  }
  forget_balances(model);
  std::erase_if(model.aliases, [&](const auto& alias) { return version_of(model, alias.second) == nullptr; });
}

void Engine::set_weights(const std::string& name, const std::map<std::string, double>& weights,
                         std::optional<std::chrono::milliseconds> lease) {
  const std::lock_guard lock(mutex_);
  ServedModel& model = find(name);
  end_lease_when_over(model);
  std::map<std::string, double> by_label;
  double total = 0;
  for (const auto& [version, weight] : weights) {
    if (!std::isfinite(weight) || weight < 0 || weight > 1e6) {
      throw UsageError(fmt::format("weights.{}: a number from 0 to 1,000,000 is expected", version));
    }
    total += weight;
    by_label[named_version(model, version).version->label()] += weight;
  }
  if (total <= 0) {
    throw UsageError("weights: one of them must be more than 0");
  }
  std::map<std::string, double> before;
  for (const ServedModel::Version& each : model.versions) {
    before[each.version->label()] = each.weight;
  }
  give_weights(model, by_label);
  if (!lease) {
    model.lease.reset();
  } else {
    model.lease = {std::chrono::steady_clock::now() + *lease, model.lease ? model.lease->before : before};
  }
}

void Engine::set_alias(const std::string& name, const std::string& alias, const std::string& label) {
  if (alias.empty() || alias == latest) {
    throw UsageError(fmt::format("alias: '{}' cannot be moved", alias));
  }
  const std::lock_guard lock(mutex_);
  ServedModel& model = find(name);
  if (version_of(model, alias) != nullptr) {
    throw UsageError(fmt::format("alias: '{}' is the name of a version", alias));
  }
  model.aliases[alias] = named_version(model, label).version->label();
}

std::shared_ptr<const ModelVersion> Engine::pick(const std::string& name, const std::string& version) {
  const std::lock_guard lock(mutex_);
  if (name.empty() && state_.models.empty()) {
    return nullptr;
  }
  ServedModel& model = name.empty() ? state_.models.front() : find(name);
  end_lease_when_over(model);
  return version.empty() ? next_by_weight(model) : named_version(model, version).version;
}

std::shared_ptr<const ModelVersion> Engine::current() const {
  const std::lock_guard lock(mutex_);
  return state_.models.empty() ? nullptr : main_now(state_.models.front());
}

EngineState Engine::state() const {
  const std::lock_guard lock(mutex_);
  EngineState state = state_;
  std::for_each(state.models.begin(), state.models.end(), end_lease_when_over);
  state.current = state.models.empty() ? nullptr : state.models.front().main();
  return state;
}

void Engine::begin_draining() {
  const std::lock_guard lock(mutex_);
  state_.phase = EngineState::Phase::draining;
}

void Engine::enter(LoadAttempt::Phase phase) {
  const std::lock_guard lock(mutex_);
  state_.load.phase = phase;
}

ServedModel& Engine::find(const std::string& name) {
  for (ServedModel& model : state_.models) {
    if (model.name == name) {
      return model;
    }
  }
  if (state_.models.size() == 1) {
    throw UnknownModel(
        fmt::format("model: there is no '{}' here, the model is '{}'", name, state_.models.front().name));
  }
  std::vector<std::string> names;
  for (const ServedModel& model : state_.models) {
    names.push_back("'" + model.name + "'");
  }
  throw UnknownModel(fmt::format("model: there is no '{}' here, there {} {}", name,
                                 names.empty() ? "is" : "are", names.empty() ? "none" : join(names, ", ")));
}

}  // namespace mlpipe
