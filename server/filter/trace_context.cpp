#include "server/filter/trace_context.hpp"

#include <algorithm>

namespace mlpipe {
namespace {

constexpr std::size_t version_size = 2;
constexpr std::size_t trace_at = 3;
constexpr std::size_t trace_size = 32;
constexpr std::size_t span_at = 36;
constexpr std::size_t span_size = 16;
constexpr std::size_t flags_at = 53;
constexpr std::size_t whole_size = 55;

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text) {
  return is_hexadecimal(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  const auto dash_at = [header](std::size_t place) { return header[place] == '-'; };
  if (header.size() < whole_size || !dash_at(trace_at - 1) || !dash_at(span_at - 1) ||
      !dash_at(flags_at - 1)) {
    return std::nullopt;
  }
  const std::string_view version = header.substr(0, version_size);
  const std::string_view trace = header.substr(trace_at, trace_size);
  const std::string_view span = header.substr(span_at, span_size);
  const std::string_view flags = header.substr(flags_at, whole_size - flags_at);
  const bool is_whole = header.size() == whole_size || (version != "00" && dash_at(whole_size));
  if (!is_whole || !is_hexadecimal(version) || version == "ff" || !is_id(trace) || !is_id(span) ||
      !is_hexadecimal(flags)) {
    return std::nullopt;
  }
  return TraceContext{std::string(trace), std::string(span), std::string(flags)};
}

bool is_sane_tracestate(std::string_view header) {
  constexpr std::size_t longest = 512;
  return !header.empty() && header.size() <= longest &&
         std::all_of(header.begin(), header.end(),
                     [](char character) { return character >= ' ' && character <= '~'; });
}

}  // namespace mlpipe
