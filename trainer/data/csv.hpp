#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace mlpipe {

// Takes a file of comma-separated values as it is read.
class CsvHandler {
 public:
  virtual ~CsvHandler() = default;
  virtual void take_field(std::string_view field) = 0;
  virtual void end_row() = 0;
};

// Reads the file (RFC 4180, strictly; blanks around a field that is not quoted do not count, empty lines
// neither) and hands it on, a piece at a time. What the handler throws ends the reading and is thrown on.
// Throws UsageError, with the row, counted from 1, for quotes that are wrong.
void parse_csv(const std::filesystem::path& path, CsvHandler& handler);

}  // namespace mlpipe
