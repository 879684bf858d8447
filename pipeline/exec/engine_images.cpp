#include "pipeline/exec/engine_images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/image_ids.hpp"
#include "pipeline/plan/derivation.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t largest_image_file = std::uint64_t{1} << 20U;

Json json_of(const Result& result, const char* out, const Blobs& blobs) {
  const Output* output = result.find_output(out);
  const Json json = output == nullptr || output->folder
                        ? Json()
                        : Json::parse(read_file(blobs.path_of(*output), largest_image_file), nullptr, false);
  if (!json.is_object() ||
      !std::all_of(json.begin(), json.end(), [](const Json& value) { return value.is_string(); })) {
    throw Error(fmt::format("the result of an image has no output '{}' that names it", out));
  }
  return json;
}

// References that may be asked for: an option is none.
std::vector<std::string> names_in(const EngineImages& images) {
  std::vector<std::string> names;
  for (const auto& [name, id] : images) {
    names.push_back(name);
  }
  return names;
}

void ask(const Engine& engine, const std::vector<std::string>& names, EngineImages& images) {
  for (auto& [name, id] : image_ids(engine, names)) {
    images[name] = id.value_or("");
  }
}

bool is_in_engine(const Step& step) {
  const auto* action = std::get_if<ImageAction>(&step.action);
  return action != nullptr && !action->image.in_registry;
}

std::string shown_result(const Result& result) {
  return result_id(result).short_hex();
}

}  // namespace

ImageResult image_of(const Result& result, const Blobs& blobs) {
  const Json image = json_of(result, "image", blobs);
  ImageResult found{image.value("id", ""), image.value("name", ""), json_of(result, "bases", blobs)};
  if (found.id.empty()) {
    throw Error(fmt::format("the result {} of an image does not say which", shown_result(result)));
  }
  return found;
}

EngineImages images_behind(const Plan& plan, const Blobs& blobs, EngineImages seen) {
  EngineImages behind;
  for (const PlannedStep& planned : plan.steps()) {
    if (!is_in_engine(*planned.step)) {
      continue;
    }
    for (const Result& result : planned.chosen) {
      const ImageResult image = image_of(result, blobs);
      behind[image.id] = image.id;
      for (const auto& [base, id] : image.bases) {
        const bool is_new = planned.result && result_id(*planned.result) == result_id(result);
        behind[base] = is_new ? id : seen[base];
      }
    }
  }
  return behind;
}

bool are_as_they_were(const EngineImages& images) {
  if (images.empty()) {
    return true;
  }
  EngineImages now;
  ask(Engine::find("", own_environment()), names_in(images), now);
  return now == images;
}

ResultsInEngine::ResultsInEngine(const Store& store, const Spec& spec, const Snapshot& snapshot)
    : store_(store) {
  for (const Step& step : spec.steps) {
    if (is_in_engine(step)) {
      // An image has no inputs: its key is known before anything runs.
      image_keys_.insert(recipe_of(step, snapshot, [](const Input&) { return std::string(); }).digest());
    }
  }
}

const Engine& ResultsInEngine::engine() const {
  if (!engine_) {
    engine_ = Engine::find("", own_environment());
  }
  return *engine_;
}

void ResultsInEngine::ask_about_newest() const {
  asked_ = true;
  EngineImages wanted;
  for (const Digest& key : image_keys_) {
    const std::vector<Result> results = store_.results(key);
    const auto newest =
        std::find_if(results.rbegin(), results.rend(), [](const Result& one) { return one.succeeded; });
    if (newest != results.rend()) {
      const ImageResult image = image_of(*newest, store_.blobs());
      wanted[image.id];
      for (const auto& [base, id] : image.bases) {
        wanted[base];
      }
    }
  }
  if (!wanted.empty()) {
    ask(engine(), names_in(wanted), seen_);
  }
}

const std::string& ResultsInEngine::id_of(const std::string& reference) const {
  if (!asked_) {
    ask_about_newest();
  }
  if (!seen_.contains(reference)) {
    ask(engine(), {reference}, seen_);
  }
  return seen_.at(reference);
}

// Why the result's image does not stand; empty: it does.
std::string ResultsInEngine::fault_of(const Result& result) const {
  const ImageResult image = image_of(result, store_.blobs());
  for (const auto& [base, id] : image.bases) {
    const std::string& now = id_of(base);
    if (!now.empty() && now != id) {
      return fmt::format("{} is another image in {} now", printable(base), engine().name());
    }
  }
  return id_of(image.id).empty() ? fmt::format("the image is no longer in {}", engine().name()) : "";
}

std::vector<Result> ResultsInEngine::results(const Digest& action_key) const {
  std::vector<Result> results = store_.results(action_key);
  if (!image_keys_.contains(action_key)) {
    return results;
  }
  std::vector<Result> standing;
  for (Result& one : results) {
    if (one.succeeded && !fault_of(one).empty()) {
      // What failed before it says nothing about why there is none now.
      std::erase_if(standing, [](const Result& before) { return !before.succeeded; });
    } else {
      standing.push_back(std::move(one));
    }
  }
  return standing;
}

std::string ResultsInEngine::why_lost(const Digest& action_key) const {
  if (image_keys_.contains(action_key)) {
    const std::vector<Result> results = store_.results(action_key);
    for (auto result = results.rbegin(); result != results.rend(); ++result) {
      if (result->succeeded) {
        return fault_of(*result);
      }
    }
  }
  return store_.why_lost(action_key);
}

}  // namespace mlpipe
