#include "pipeline/store/reachable.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "pipeline/base/error.hpp"
#include "pipeline/store/pins.hpp"

namespace mlpipe {
namespace {

// "train/model" and the bytes that stood for it.
struct NamedInput {
  std::string step;
  std::string out;
  Digest digest;
};

// One input of a recipe may stand for several results' bytes: "tree:3f… tree:67…".
std::vector<NamedInput> inputs_of(const Recipe& recipe) {
  std::vector<NamedInput> inputs;
  for (const Field& field : recipe.fields()) {
    if (field.tag != "input") {
      continue;
    }
    const std::size_t slash = field.name.find('/');
    const std::string step = field.name.substr(0, slash);
    const std::string out = slash == std::string::npos ? "" : field.name.substr(slash + 1);
    constexpr std::size_t hex_digits = 2 * Digest::size;
    for (std::size_t at = field.value.find(':'); at != std::string::npos;
         at = field.value.find(':', at + 1)) {
      const std::string hex = field.value.substr(at + 1, hex_digits);
      if (Digest::is_hex(hex)) {
        inputs.push_back({step, out, Digest::from_hex(hex)});
      }
    }
  }
  return inputs;
}

class Mark {
 public:
  Mark(const Store& store, bool refuse_damaged)
      : store_(store), refuse_damaged_(refuse_damaged), results_(store.all_results()) {
    for (std::size_t i = 0; i < results_.size(); ++i) {
      by_row_[results_[i].id] = i;
      for (const Output& output : results_[i].outputs) {
        makers_[output.digest].push_back(i);
      }
    }
    Statement steps = store.database().prepare("SELECT DISTINCT action_key, step FROM realizations");
    while (steps.step()) {
      steps_[steps.digest(0)].insert(steps.text(1));
    }
  }

  void follow(const Root& root, std::size_t index) {
    root_ = index;
    for (const std::int64_t row : root.results) {
      if (const auto found = by_row_.find(row); found != by_row_.end()) {
        keep(found->second);
      }
    }
    for (const Output& output : root.outputs) {
      keep_bytes(output);
      if (const auto maker = maker_of(output.digest, "", "", std::nullopt)) {
        keep(*maker);
      }
    }
    for (const Digest& key : root.keys) {
      reached_.keys.insert(key);
      keep_inputs(key, std::chrono::system_clock::now());
    }
    for (const Recipe& recipe : root.recipes) {
      keep_inputs(recipe, std::chrono::system_clock::now());
    }
    while (!open_.empty()) {
      const Result& result = results_[open_.back()];
      open_.pop_back();
      for (const Output& output : result.outputs) {
        keep_bytes(output);
      }
      reached_.blobs.insert(result.log);
      keep_inputs(result.action_key, result.started);
    }
  }

  const std::vector<Result>& results() const { return results_; }
  Reachable take() { return std::move(reached_); }

 private:
  void keep(std::size_t index) {
    if (reached_.results.emplace(results_[index].id, root_).second) {
      open_.push_back(index);
    }
  }

  void keep_bytes(const Output& output) {
    reached_.blobs.insert(output.digest);
    if (!output.folder || !reached_.trees.insert(output.digest).second) {
      return;
    }
    std::error_code error;
    if (!std::filesystem::exists(store_.blobs().path_of_blob(output.digest), error)) {
      return;
    }
    try {
      for (const TreeEntry& entry : store_.blobs().entries_of(output.digest)) {
        if (!entry.folder) {
          reached_.blobs.insert(entry.digest);
        }
      }
    } catch (const Error& damaged) {
      if (!refuse_damaged_) {
        return;
      }
      throw Error(damaged.what(), "`mlpipe store verify` sets it aside and says what depends on it");
    }
  }

  void keep_inputs(const Digest& key, std::chrono::system_clock::time_point started) {
    Statement query = store_.database().prepare("SELECT recipe FROM actions WHERE action_key = ?");
    query.bind(key);
    if (query.step()) {
      keep_inputs(Recipe::parse(query.text(0)), started);
    }
  }

  void keep_inputs(const Recipe& recipe, std::chrono::system_clock::time_point started) {
    for (const NamedInput& input : inputs_of(recipe)) {
      if (const auto maker = maker_of(input.digest, input.step, input.out, started)) {
        keep(*maker);
      }
    }
  }

  bool is_named(const Result& result, const Digest& digest, const std::string& step,
                const std::string& out) const {
    const auto steps = steps_.find(result.action_key);
    const Output* output = result.find_output(out);
    return output != nullptr && output->digest == digest && steps != steps_.end() &&
           steps->second.contains(step);
  }

  // The result that bytes came from, as reachable.hpp says; they are ordered by age.
  std::optional<std::size_t> maker_of(const Digest& digest, const std::string& step, const std::string& out,
                                      std::optional<std::chrono::system_clock::time_point> started) const {
    const auto found = makers_.find(digest);
    if (found == makers_.end()) {
      return std::nullopt;
    }
    std::vector<std::size_t> candidates;
    std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(candidates),
                 [&](std::size_t i) { return is_named(results_[i], digest, step, out); });
    if (candidates.empty()) {
      candidates = found->second;
    }
    std::size_t chosen = candidates.front();
    for (const std::size_t i : candidates) {
      if (!started || results_[i].finished <= *started) {
        chosen = i;
      }
    }
    return chosen;
  }

  const Store& store_;
  bool refuse_damaged_;
  std::vector<Result> results_;  // the oldest first
  std::unordered_map<std::int64_t, std::size_t> by_row_;
  std::unordered_map<Digest, std::vector<std::size_t>> makers_;  // by the bytes of an output
  std::unordered_map<Digest, std::set<std::string>> steps_;      // by action key
  std::vector<std::size_t> open_;
  std::size_t root_ = 0;
  Reachable reached_;
};

}  // namespace

const char* name_of(Root::Kind kind) {
  switch (kind) {
    case Root::Kind::alias:
      return "alias";
    case Root::Kind::deployment:
      return "deployment";
    case Root::Kind::pin:
      return "pin";
    case Root::Kind::job:
      return "job";
    case Root::Kind::run:
      return "run";
  }
  return "";
}

Reachable reachable(const Store& store, std::span<const Root> roots) {
  Mark mark(store, true);
  for (std::size_t i = 0; i < roots.size(); ++i) {
    mark.follow(roots[i], i);
  }
  return mark.take();
}

Reachable everything_reachable(const Store& store) {
  Mark mark(store, false);
  Root root{Root::Kind::run, "the index", {}, {}, {}};
  for (const Result& result : mark.results()) {
    root.results.push_back(result.id);
  }
  Statement releases = store.database().prepare("SELECT tree, bytes FROM releases");
  while (releases.step()) {
    root.outputs.push_back(
        {"model", true, releases.digest(0), static_cast<std::uint64_t>(releases.integer(1))});
  }
  for (const Pin& pin : pins(store)) {
    if (pin.kind == Pin::Kind::bytes) {
      root.outputs.push_back(pinned_bytes(store, pin));
    }
  }
  mark.follow(root, 0);
  return mark.take();
}

}  // namespace mlpipe
