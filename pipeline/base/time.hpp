#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

// In the local time zone, with its offset: "2026-11-21 08:39:35 +0100".
std::string format_local_time(std::chrono::system_clock::time_point time);

// A moment as a person names it: "2026-11-21" (its beginning), "2026-11-21 08:39", "2026-11-21T08:39:35Z",
// "2026-11-21 08:39 +01:00" (local time where no zone is given), "now", or how long ago: "2h", "1h30m ago",
// "3 days ago". Nothing when the text is something else.
std::optional<std::chrono::system_clock::time_point> parse_moment(std::string_view text,
                                                                  std::chrono::system_clock::time_point now);

}  // namespace mlpipe
