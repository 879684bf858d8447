#include "pipeline/base/error.hpp"

#include <fmt/format.h>

namespace mlpipe {
namespace {

constexpr std::size_t longest_source_shown = 120;

// The part of a long line around the column, so that the caret stays on the screen.
std::pair<std::string, std::size_t> window(const std::string& source, std::size_t column) {
  if (source.size() <= longest_source_shown) {
    return {source, column};
  }
  const std::size_t begin = column > longest_source_shown / 2 ? column - longest_source_shown / 2 : 0;
  return {source.substr(std::min(begin, source.size()), longest_source_shown), column - begin};
}

std::string render_all(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!text.empty()) {
      text += '\n';
    }
    text += render(diagnostic);
  }
  return text;
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
  std::string text;
  if (diagnostic.line == 0) {
    text = fmt::format("{}: {}", diagnostic.file, diagnostic.message);
  } else {
    text =
        fmt::format("{}:{}:{}: {}", diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.message);
    if (!diagnostic.source.empty()) {
      auto [source, column] = window(diagnostic.source, diagnostic.column);
      std::string pad;  // tabs stay tabs, so that the caret stands under its character
      for (std::size_t i = 0; i + 1 < column && i < source.size(); ++i) {
        pad += source[i] == '\t' ? '\t' : ' ';
      }
      text += fmt::format("\n  {}\n  {}^", source, pad);
    }
  }
  if (!diagnostic.hint.empty()) {
    text += fmt::format("\n  {}", diagnostic.hint);
  }
  return text;
}

SpecError::SpecError(std::vector<Diagnostic> diagnostics)
    : UsageError(render_all(diagnostics)), diagnostics_(std::move(diagnostics)) {}

}  // namespace mlpipe
