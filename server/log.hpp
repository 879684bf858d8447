#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace mlpipe {

struct LogField {
  std::string_view name;
  std::string value;
};

// One line on stderr: time, level, what happened, and fields as name="value".
void log_info(std::string_view event, std::initializer_list<LogField> fields = {});
void log_error(std::string_view event, std::initializer_list<LogField> fields = {});

// One line on stderr as it is.
void log_line(std::string_view line);

}  // namespace mlpipe
