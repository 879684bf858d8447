#include "pipeline/deploy/version_counts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// The version was loaded again meanwhile when it has counted less than before: then all of it is new.
std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now >= before ? now - before : now;
}

// The class that the share falls into: its end or, of wide classes, the place within it.
std::optional<double> quantile(const VersionCounts& counts, double share) {
  std::uint64_t total = 0;
  for (const auto& [bound, count] : counts.latencies) {
    total += count;
  }
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
  std::uint64_t seen = 0;
  double begin = 0;
  for (const auto& [bound, count] : counts.latencies) {
    seen += count;
    if (count > 0 && seen >= wanted) {
      const double part = static_cast<double>(wanted + count - seen) / static_cast<double>(count);
      return counts.wide_classes ? begin + part * (bound - begin) : bound;
    }
    begin = bound;
  }
  return std::nullopt;
}

// "path" in {path="/predict",le="0.1"}; a quote in a value does not occur in what is looked for here.
std::string_view label_in(std::string_view labels, std::string_view name) {
  const std::string begin = std::string(name) + "=\"";
  const std::size_t found = labels.find(begin);
  if (found == std::string_view::npos) {
    return "";
  }
  labels.remove_prefix(found + begin.size());
  return labels.substr(0, labels.find('"'));
}

bool asks_for_prediction(std::string_view labels) {
  const std::string_view path = label_in(labels, "path");
  const std::string_view words[] = {"predict", "classify", "infer"};
  return label_in(labels, "method") == "ModelInfer" ||
         std::any_of(std::begin(words), std::end(words),
                     [path](std::string_view word) { return path.find(word) != std::string_view::npos; });
}

bool is_servers_fault(std::string_view labels) {
  const std::string_view code = label_in(labels, "code");
  const std::string_view faults[] = {"INTERNAL", "UNAVAILABLE", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED"};
  return label_in(labels, "status").starts_with('5') ||
         std::find(std::begin(faults), std::end(faults), code) != std::end(faults);
}

// The counts up to each bound, over all paths, become those of each class.
void take_apart(std::map<double, std::uint64_t>& latencies) {
  std::uint64_t before = 0;
  for (auto& [bound, count] : latencies) {
    const std::uint64_t up_to_here = count;
    count = grown(up_to_here, before);
    before = up_to_here;
  }
}

}  // namespace

VersionCounts VersionCounts::grown_since(const VersionCounts& before) const {
  VersionCounts since;
  since.wide_classes = wide_classes;
  since.answered = grown(answered, before.answered);
  since.errors = grown(errors, before.errors);
  for (const auto& [bound, count] : latencies) {
    const auto earlier = before.latencies.find(bound);
    since.latencies[bound] = grown(count, earlier == before.latencies.end() ? 0 : earlier->second);
  }
  return since;
}

void VersionCounts::add(const VersionCounts& other) {
  wide_classes = wide_classes || other.wide_classes;
  answered += other.answered;
  errors += other.errors;
  for (const auto& [bound, count] : other.latencies) {
    latencies[bound] += count;
  }
}

Observation VersionCounts::observation() const {
  Observation observation;
  observation.errors = errors;
  observation.requests = answered + errors;
  observation.p50 = quantile(*this, 0.5);
  observation.p99 = quantile(*this, 0.99);
  return observation;
}

VersionCounts counts_in(const Json& state, const std::string& version) {
  VersionCounts counts;
  try {
    for (const Json& model : state.at("models")) {
      for (const Json& each : model.at("versions")) {
        if (each.at("version") == version) {
          counts.answered = each.at("requests");
          counts.errors = each.at("errors");
          for (const Json& latency : each.at("latencies")) {
            counts.latencies[latency.at(0)] = latency.at(1);
          }
        }
      }
    }
  } catch (
      const Json::exception&) {  // a server of another version: it has counted nothing that is known here
    return {};
  }
  return counts;
}

VersionCounts counts_in_metrics(std::string_view text) {
  VersionCounts counts;
  counts.wide_classes = true;
  constexpr double beyond_all = 100;  // seconds; what took longer than the last class says
  for (const std::string& line : split(text, '\n')) {
    const std::size_t open = line.find('{');
    const std::size_t close = line.rfind('}');
    if (line.starts_with('#') || open == std::string::npos || close == std::string::npos || close < open) {
      continue;
    }
    const std::string_view name = std::string_view(line).substr(0, open);
    const std::string_view labels = std::string_view(line).substr(open, close - open);
    if (!asks_for_prediction(labels)) {
      continue;
    }
    const auto value =
        static_cast<std::uint64_t>(std::max(0.0, std::strtod(line.c_str() + close + 1, nullptr)));
    if (name == "mlpipe_http_requests_total" || name == "mlpipe_grpc_requests_total") {
      (is_servers_fault(labels) ? counts.errors : counts.answered) += value;
    } else if (name == "mlpipe_http_request_duration_seconds_bucket" ||
               name == "mlpipe_grpc_request_duration_seconds_bucket") {
      const std::string bound(label_in(labels, "le"));
      counts.latencies[bound == "+Inf" ? beyond_all : std::strtod(bound.c_str(), nullptr)] += value;
    }
  }
  take_apart(counts.latencies);
  return counts;
}

}  // namespace mlpipe
