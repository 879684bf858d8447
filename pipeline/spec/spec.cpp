#include "pipeline/spec/spec.hpp"

#include <algorithm>
#include <array>

namespace mlpipe {

std::string Input::path() const {
  const std::size_t bracket = step.find('[');
  if (bracket == std::string::npos) {
    return "inputs/" + step + "/" + out;
  }
  return "inputs/" + step.substr(0, bracket) + "/" + step.substr(bracket + 1, step.size() - bracket - 2) +
         "/" + out;
}

std::string placeholder_of_outcome(const std::string& step) {
  return "${{ steps." + step + ".outcome }}";
}

std::string Step::kind() const {
  constexpr std::array<const char*, 4> names = {"fetch", "train", "run", "image"};
  return names[action.index()];
}

std::string image_step(const std::string& image) {
  return "images." + image;
}

const Step* Spec::find_step(std::string_view step) const {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const Step& one) { return one.name == step; });
  return found == steps.end() ? nullptr : &*found;
}

std::vector<std::string> Spec::step_names() const {
  std::vector<std::string> names;
  for (const Step& step : steps) {
    names.push_back(step.name);
  }
  return names;
}

std::vector<std::string> Spec::steps_named(const std::string& wanted) const {
  const auto group = groups.find(wanted);
  if (group != groups.end()) {
    return group->second.members;
  }
  return find_step(wanted) != nullptr ? std::vector{wanted} : std::vector<std::string>{};
}

std::vector<std::string> Spec::upstream(const Step& step) const {
  std::vector<std::string> names = step.needs;
  for (const Input& input : step.inputs) {
    names.push_back(input.step);
  }
  if (step.image) {
    names.push_back(step.image->step);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace mlpipe
