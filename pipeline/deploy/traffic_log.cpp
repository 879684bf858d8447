#include "pipeline/deploy/traffic_log.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t first_error = 500;

// Of values in any order: the smallest that at least this share of them does not exceed.
double quantile(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

std::vector<std::string> items_of(const std::string& field) {
  std::vector<std::string> items;
  for (const std::string& item : split(field, ',')) {
    items.emplace_back(trim(item));
  }
  return items;
}

}  // namespace

TrafficLog::TrafficLog(std::filesystem::path file, std::set<std::string> candidate,
                       std::set<std::string> current)
    : file_(std::move(file)), candidate_(std::move(candidate)), current_(std::move(current)) {}

Observation TrafficLog::Counted::observation() const {
  Observation observation{requests, errors, {}, {}};
  if (!seconds.empty()) {
    std::vector<double> values = seconds;
    observation.p50 = quantile(values, 0.5);
    observation.p99 = quantile(values, 0.99);
  }
  return observation;
}

void TrafficLog::take_line(std::string_view line) {
  const std::vector<std::string> fields = split(line, '|');
  if (fields.size() != 3) {
    return;  // not of this log's making
  }
  const std::vector<std::string> servers = items_of(fields[0]);
  const std::vector<std::string> statuses = items_of(fields[1]);
  const std::vector<std::string> times = items_of(fields[2]);
  for (std::size_t i = 0; i < servers.size() && i < statuses.size() && i < times.size(); ++i) {
    Counted* counted = candidate_.contains(servers[i]) ? &of_candidate_
                       : current_.contains(servers[i]) ? &of_current_
                                                       : nullptr;
    const auto status = parse_integer(statuses[i]);
    if (counted == nullptr || !status) {  // without a status: the client was gone before the answer
      continue;
    }
    ++counted->requests;
    if (*status >= first_error) {
      ++counted->errors;
    } else if (const auto seconds = parse_number(times[i])) {
      counted->seconds.push_back(*seconds);
    }
  }
}

Traffic TrafficLog::read() {
  std::ifstream stream(file_, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(position_));
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const std::size_t whole = text.rfind('\n');  // the last line may not be whole yet
  if (whole != std::string::npos) {
    for (const std::string& line : split(std::string_view(text).substr(0, whole), '\n')) {
      take_line(line);
    }
    position_ += whole + 1;
  }
  return {of_candidate_.observation(), of_current_.observation()};
}

}  // namespace mlpipe
