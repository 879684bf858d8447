#pragma once

#include <functional>
#include <span>
#include <string>

#include "pipeline/plan/recipe.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What stands for an input in a recipe: "derivation:3f…" or "tree:3f…", "file:3f…".
using InputName = std::function<std::string(const Input&)>;

// The recipe of a step: its command, declared environment, used params (where they are used), the content of
// its dependencies (names and executable bits included), outs, the architecture; for a training, the resolved
// configuration, the trainer's identity and the number of threads; of a step that runs in a container, its
// image; of an image, what it is built from, target, platform and args. Not: who runs it, timeouts, the order
// of keys, params that it does not use, times, absolute paths.
Recipe recipe_of(const Step& step, const Snapshot& snapshot, const InputName& input_name);

// The threads of each process of a training that names none: its part of `cpu`, or of the machine's cores.
int threads_of(const Step& step, const Tools& tools);

// What the identity of a step's tool is found by in a snapshot.
ToolPlace place_of(const Step& step, const Tool& tool);

// "tree:3f…" or "file:3f…"; of an output that stands for a folder of several results' own: "several tree:3f…
// tree:81…", in the order of the folder.
std::string name_of(std::span<const Output> outputs, bool several);

}  // namespace mlpipe
