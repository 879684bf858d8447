#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// The candidate that was most likely meant, or nothing when none is near (Damerau-Levenshtein distance).
std::optional<std::string> closest_name(std::string_view name, std::span<const std::string> candidates);

// "did you mean 'epochs'?", or "known: a, b, c" when nothing is near and the list is short; else empty.
std::string suggest_name(std::string_view name, std::span<const std::string> candidates);

std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// The last `count` lines of a text, without a trailing newline.
std::string last_lines(std::string_view text, std::size_t count);

// "340 ms", "4.2 s", "3 min 20 s", "2 h 05 min".
std::string format_duration(std::chrono::milliseconds duration);

// "512 B", "1.4 MiB".
std::string format_bytes(std::uint64_t bytes);

// "1 step", "3 steps".
std::string count_of(std::size_t count, std::string_view noun);

// "2026-11-21T07:39:35Z".
std::string format_time(std::chrono::system_clock::time_point time);

// Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong).
bool is_utf8(std::string_view bytes);

// Characters that would move the cursor or hide text become '?'; what comes from outside is shown only
// through this.
std::string printable(std::string_view text);

}  // namespace mlpipe
