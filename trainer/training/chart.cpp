#include "trainer/training/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace mlpipe {
namespace {

// Colours that most colour-blind people can tell apart (Okabe and Ito).
constexpr std::array<const char*, 6> colours = {"#0072b2", "#d55e00", "#009e73",
                                                "#cc79a7", "#e69f00", "#56b4e9"};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char character : text) {
    switch (character) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      default:  // SVG has no place for control characters
        result += static_cast<unsigned char>(character) < ' ' ? ' ' : character;
    }
  }
  return result;
}

std::string file_of(double width, double height, const std::string& content) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>\n{2}</svg>\n",
      width, height, content);
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(text));
}

// A range of numbers with round marks on it, about five.
struct Axis {
  double least = 0;
  double most = 1;
  double step = 1;

  double share(double value) const { return (value - least) / (most - least); }
};

Axis axis_over(double least, double most) {
  constexpr double marks = 5;
  if (!(most > least)) {
    const double around = least == 0 ? 1 : std::abs(least) / 2;
    return axis_over(least - around, least + around);
  }
  const double rough = (most - least) / marks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double digits = rough / power;
  Axis axis;
  axis.step = power * (digits < 1.5 ? 1 : digits < 3.5 ? 2 : digits < 7.5 ? 5 : 10);
  axis.least = std::floor(least / axis.step) * axis.step;
  axis.most = std::ceil(most / axis.step) * axis.step;
  return axis;
}

Axis axis_of(const std::vector<Curve>& curves, bool across) {
  double least = 0;
  double most = 0;
  bool any = false;
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : curve.points) {
      const double value = across ? x : y;
      if (std::isfinite(value)) {
        least = any ? std::min(least, value) : value;
        most = any ? std::max(most, value) : value;
        any = true;
      }
    }
  }
  return axis_over(least, most);
}

}  // namespace

std::string curves_svg(const std::string& title, const std::string& across,
                       const std::vector<Curve>& curves) {
  constexpr double width = 640;
  constexpr double height = 360;
  constexpr double left = 60;
  constexpr double right = 620;
  constexpr double top = 40;
  constexpr double bottom = 310;
  constexpr double line_height = 18;
  const Axis x = axis_of(curves, true);
  const Axis y = axis_of(curves, false);
  const auto place_x = [&](double value) { return left + x.share(value) * (right - left); };
  const auto place_y = [&](double value) { return bottom - y.share(value) * (bottom - top); };
  std::string content = text_at((left + right) / 2, 20, "middle", title);
  for (double value = y.least; value <= y.most + y.step / 2; value += y.step) {
    content +=
        fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#ddd\"/>\n", left, place_y(value), right);
    content += text_at(left - 6, place_y(value) + 4, "end",
                       fmt::format("{:.4g}", std::abs(value) < y.step / 2 ? 0 : value));
  }
  for (double value = x.least; value <= x.most + x.step / 2; value += x.step) {
    content += text_at(place_x(value), bottom + line_height, "middle", fmt::format("{:.4g}", value));
  }
  content += text_at((left + right) / 2, bottom + 2 * line_height, "middle", across);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::string points;
    for (const auto& [a, b] : curves[i].points) {
      if (std::isfinite(b)) {
        points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", place_x(a), place_y(b));
      }
    }
    const char* colour = colours[i % colours.size()];
    content += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                           points, colour);
    const double legend = top + static_cast<double>(i + 1) * line_height - 4;
    content += fmt::format("<path d=\"M{:.1f} {:.1f}h20\" stroke=\"{}\" stroke-width=\"2\"/>\n", right - 150,
                           legend - 4, colour);
    content += text_at(right - 124, legend, "start", curves[i].name);
  }
  return file_of(width, height, content);
}

std::string confusion_svg(std::span<const std::string> labels, std::span<const std::size_t> counts) {
  constexpr double cell = 40;
  constexpr double margin = 120;
  constexpr double top = 60;
  constexpr std::size_t longest = 14;
  const std::size_t size = labels.size();
  const double side = cell * static_cast<double>(size);
  const auto middle = [&](std::size_t i) { return (static_cast<double>(i) + 0.5) * cell; };
  const auto shown = [&](std::size_t i) {
    // whole characters: a byte that goes on one is no place to cut
    std::size_t end = std::min(longest, labels[i].size());
    while (end < labels[i].size() && end > 0 &&
           (static_cast<unsigned char>(labels[i][end]) & 0xc0U) == 0x80U) {
      --end;
    }
    return end < labels[i].size() ? labels[i].substr(0, end) + "…" : labels[i];
  };
  std::string content = text_at(margin + side / 2, 20, "middle", "across: the answer; down: the truth");
  for (std::size_t truth = 0; truth < size; ++truth) {
    content += text_at(margin - 8, top + middle(truth) + 4, "end", shown(truth));
    content += text_at(margin + middle(truth), top - 8, "middle", shown(truth));
    const auto row = counts.subspan(truth * size, size);
    const auto all = static_cast<double>(std::accumulate(row.begin(), row.end(), std::size_t{0}));
    for (std::size_t answer = 0; answer < size; ++answer) {
      const double share = all == 0 ? 0 : static_cast<double>(row[answer]) / all;
      content += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" fill=\"#0072b2\" "
          "fill-opacity=\"{:.3f}\" stroke=\"#ddd\"/>\n",
          margin + middle(answer) - cell / 2, top + middle(truth) - cell / 2, cell, cell, share);
      if (row[answer] > 0) {
        content += fmt::format(
            "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n",
            margin + middle(answer), top + middle(truth) + 4, share > 0.5 ? "#fff" : "#000", row[answer]);
      }
    }
  }
  return file_of(margin + side + 20, top + side + 20, content);
}

}  // namespace mlpipe
