#include "trainer/network_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "trainer/training/progress.hpp"

namespace mlpipe {
namespace {

using Row = std::array<std::string, 4>;  // number, layer, output, parameters

void add_rows(const std::vector<Layer>& layers, const std::string& inside, std::vector<Row>& rows) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const std::string number = fmt::format("{}{}", inside, i + 1);
    const auto* residual = std::get_if<Residual>(&layer.operation);
    const bool known = !layer.output.empty();
    rows.push_back({number, residual != nullptr ? "residual" : layer_text(layer.operation),
                    known ? shape_text(layer.output) : "[auto]", known ? grouped(layer.parameters) : "auto"});
    if (residual != nullptr) {
      add_rows(residual->layers, number + ".", rows);
    }
  }
}

}  // namespace

std::string network_table(const Network& network, const Shape& input) {
  std::vector<Row> rows = {{"", "layer", "output", "parameters"}, {"", "input", shape_text(input), ""}};
  add_rows(network.layers, "", rows);
  rows.push_back(
      {"", "total", "", grouped(network.parameters()) + (network.awaits_outputs() ? " + auto" : "")});
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}", row[0], widths[0], row[1], widths[1],
                                   row[2], widths[2], row[3], widths[3]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace mlpipe
