#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mlpipe {

// A line of a chart: its name and its points from left to right.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

// Pictures as SVG, each a whole file; the same bytes for the same numbers. Names may be any text.
std::string curves_svg(const std::string& title, const std::string& across, const std::vector<Curve>& curves);

// A table of counts, [labels of the truth, labels of the answer], the darker the larger a count's share of
// its row.
std::string confusion_svg(std::span<const std::string> labels, std::span<const std::size_t> counts);

}  // namespace mlpipe
