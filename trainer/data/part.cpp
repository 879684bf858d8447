#include "trainer/data/part.hpp"

#include <numeric>

namespace mlpipe {

Part whole_part(std::shared_ptr<const ExampleSource> examples, Targets targets, std::string name) {
  Part part{std::move(examples), std::move(targets), {}, std::move(name)};
  part.rows.resize(part.examples->count());
  std::iota(part.rows.begin(), part.rows.end(), 0);
  return part;
}

Part take(const Part& part, const std::vector<std::size_t>& positions) {
  Part taken{part.examples, {{}, {}, part.targets.width}, {}, part.name};
  for (const std::size_t position : positions) {
    taken.rows.push_back(part.rows[position]);
    if (!part.targets.classes.empty()) {
      taken.targets.classes.push_back(part.targets.classes[position]);
    } else {
      const auto first =
          part.targets.values.begin() + static_cast<std::ptrdiff_t>(position * part.targets.width);
      taken.targets.values.insert(taken.targets.values.end(), first,
                                  first + static_cast<std::ptrdiff_t>(part.targets.width));
    }
  }
  return taken;
}

}  // namespace mlpipe
