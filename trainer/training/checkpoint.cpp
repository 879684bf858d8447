#include "trainer/training/checkpoint.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* state_file = "checkpoint.json";
constexpr const char* tensors_prefix = "tensors-";
constexpr int format = 1;

std::string tensors_name(const Digest& digest) {
  return tensors_prefix + digest.short_hex();
}

ordered_json json_of(const Improvement& improvement) {
  return {{"best", improvement.best ? ordered_json(*improvement.best) : ordered_json()},
          {"waited", improvement.waited}};
}

void read_improvement(const ordered_json& json, Improvement& improvement) {
  if (!json.at("best").is_null()) {
    improvement.best = json.at("best").get<double>();
  }
  json.at("waited").get_to(improvement.waited);
}

ordered_json json_of(const TrainingState& state) {
  ordered_json history = ordered_json::array();
  for (const Observation& observation : state.history) {
    history.push_back(to_json(observation));
  }
  return {{"epoch", state.epoch},
          {"batch", state.batch},
          {"loss_sum", state.loss_sum},
          {"recent_loss", state.recent_loss},
          {"recent_batches", state.recent_batches},
          {"optimizer_steps", state.optimizer_steps},
          {"rate", {{"factor", state.rate.factor}, {"waited", state.rate.waited}}},
          {"stopping", json_of(state.stopping)},
          {"best", json_of(state.best)},
          {"best_epoch", state.best_epoch},
          {"history", history}};
}

TrainingState state_of(const ordered_json& json) {
  TrainingState state;
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("loss_sum").get_to(state.loss_sum);
  json.at("recent_loss").get_to(state.recent_loss);
  json.at("recent_batches").get_to(state.recent_batches);
  json.at("optimizer_steps").get_to(state.optimizer_steps);
  json.at("rate").at("factor").get_to(state.rate.factor);
  json.at("rate").at("waited").get_to(state.rate.waited);
  read_improvement(json.at("stopping"), state.stopping);
  read_improvement(json.at("best"), state.best);
  json.at("best_epoch").get_to(state.best_epoch);
  for (const ordered_json& observation : json.at("history")) {
    state.history.push_back(observation_from(observation));
  }
  return state;
}

}  // namespace

Checkpoints::Checkpoints(fs::path folder, const Digest& training)
    : folder_(std::move(folder)), training_(training) {}

std::optional<TrainingState> Checkpoints::read() const {
  const fs::path path = folder_ / state_file;
  const std::optional<std::string> text = read_file_if_exists(path);
  if (!text) {
    return std::nullopt;
  }
  const std::string hint = fmt::format("remove {} to begin again", folder_.string());
  try {
    const ordered_json json = ordered_json::parse(*text);
    if (json.at("mlpipe-checkpoint").get<int>() != format) {
      throw Error(fmt::format("{}: it is of a format that this mlpipe-train does not read", path.string()),
                  hint);
    }
    if (json.at("training").get<std::string>() != training_.hex()) {
      throw Error(
          fmt::format("{}: it is of another training: the config or the data is not the same", path.string()),
          hint);
    }
    TrainingState state = state_of(json.at("state"));
    const Digest digest = Digest::from_hex(json.at("tensors").get<std::string>());
    const fs::path tensors = folder_ / tensors_name(digest);
    const std::string bytes = read_file(tensors);
    if (digest_of(bytes) != digest) {
      throw Error(fmt::format("{}: its bytes are not those that were written", tensors.string()));
    }
    state.tensors = parse_safetensors(bytes, tensors.string());
    return state;
  } catch (const ordered_json::exception& error) {
    throw Error(fmt::format("{}: the checkpoint is damaged: {}", path.string(), error.what()), hint);
  } catch (const Error& error) {
    throw Error(fmt::format("the checkpoint cannot be resumed: {}", error.what()), hint);
  }
}

void Checkpoints::write(const TrainingState& state) const {
  // Written under a name of its own, then named by its bytes; the state is renamed into place after it.
  const fs::path unnamed = folder_ / (std::string(tensors_prefix) + "new");
  try {
    fs::create_directories(folder_);
    write_safetensors(unnamed, state.tensors);
    const Digest digest = digest_of_file(unnamed);
    fs::rename(unnamed, folder_ / tensors_name(digest));
    const ordered_json json = {{"mlpipe-checkpoint", format},
                               {"training", training_.hex()},
                               {"tensors", digest.hex()},
                               {"state", json_of(state)}};
    write_file_atomically(folder_ / state_file, json.dump() + "\n");
  } catch (const fs::filesystem_error& error) {
    throw Error(fmt::format("writing a checkpoint: {}", error.what()));
  } catch (...) {
    sweep();  // a full disk needs the room
    throw;
  }
  sweep();
}

void Checkpoints::remove() const {
  std::error_code ignored;
  if (fs::remove(folder_ / state_file, ignored)) {
    sweep();
  }
}

// Removes what the checkpoint does not name: what one before left, and what a process that was killed began.
void Checkpoints::sweep() const {
  std::error_code ignored;
  const std::string text = read_file_if_exists(folder_ / state_file).value_or("");
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  const bool named = json.is_object() && json.contains("tensors") && json["tensors"].is_string() &&
                     Digest::is_hex(json["tensors"].get<std::string>());
  const std::string keep = named ? tensors_name(Digest::from_hex(json["tensors"].get<std::string>())) : "";
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with(tensors_prefix) || name.starts_with(std::string(state_file) + ".");
    if (ours && name != keep) {
      fs::remove(entry.path(), ignored);
    }
  }
}

}  // namespace mlpipe
