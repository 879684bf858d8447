#include "server/protocol/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace mlpipe {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;
using prometheus::MetricFamily;
using prometheus::MetricType;

const prometheus::Histogram::BucketBoundaries buckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

void add(std::vector<MetricFamily>& families, MetricType type, std::string name, std::string help,
         double value, Labels labels = {}) {
  if (families.empty() || families.back().name != name) {
    families.push_back({std::move(name), std::move(help), type, {}});
  }
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  families.back().metric.push_back(std::move(metric));
}

double seconds_since_epoch(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

double count_of(std::uint64_t count) {
  return static_cast<double>(count);
}

double microseconds(std::chrono::nanoseconds duration) {
  return std::floor(static_cast<double>(duration.count()) / 1e3);
}

// What is said of every version. Triton's names where it has one, so that its dashboards work here.
struct VersionFamily {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const BatchCounts& counts);
};

constexpr std::array version_families = {
    VersionFamily{"nv_inference_request_success", "Inference requests that were answered",
                  MetricType::Counter, [](const BatchCounts& counts) { return count_of(counts.requests); }},
    VersionFamily{"nv_inference_request_failure", "Inference requests that were turned down",
                  MetricType::Counter, [](const BatchCounts& counts) { return count_of(counts.failures); }},
    VersionFamily{"nv_inference_count", "Examples that were computed", MetricType::Counter,
                  [](const BatchCounts& counts) { return count_of(counts.examples); }},
    VersionFamily{"nv_inference_exec_count", "Forward calls", MetricType::Counter,
                  [](const BatchCounts& counts) { return count_of(counts.executions); }},
    VersionFamily{"nv_inference_request_duration_us", "Time from requests to their scores, in microseconds",
                  MetricType::Counter,
                  [](const BatchCounts& counts) { return microseconds(counts.answering); }},
    VersionFamily{"nv_inference_queue_duration_us", "Time that requests waited, in microseconds",
                  MetricType::Counter, [](const BatchCounts& counts) { return microseconds(counts.queued); }},
    VersionFamily{"nv_inference_compute_infer_duration_us", "Time in forward calls, in microseconds",
                  MetricType::Counter,
                  [](const BatchCounts& counts) { return microseconds(counts.computing); }},
    VersionFamily{"nv_inference_pending_request_count", "Examples that wait", MetricType::Gauge,
                  [](const BatchCounts& counts) { return count_of(counts.waiting); }},
};

Labels labels_of(const ModelVersion& version) {
  return {{"model", version.model().name}, {"version", version.label()}};
}

void add_versions(std::vector<MetricFamily>& families, const std::vector<ServedModel>& models) {
  std::vector<std::pair<ServedModel::Version, BatchCounts>> versions;
  for (const ServedModel& model : models) {
    for (const ServedModel::Version& each : model.versions) {
      versions.emplace_back(each, each.version->counts());
    }
  }
  for (const VersionFamily& family : version_families) {
    for (const auto& [each, counts] : versions) {
      add(families, family.type, family.name, family.help, family.value(counts), labels_of(*each.version));
    }
  }
  for (const auto& [each, counts] : versions) {
    Labels about = labels_of(*each.version);
    about.push_back({"digest", each.version->digest().hex()});
    add(families, MetricType::Gauge, "mlpipe_model_info", "Versions that are loaded", 1, std::move(about));
  }
  for (const auto& [each, counts] : versions) {
    add(families, MetricType::Gauge, "mlpipe_model_weight", "The version's share of its model's traffic",
        each.weight, labels_of(*each.version));
  }
  for (const auto& [each, counts] : versions) {
    add(families, MetricType::Gauge, "mlpipe_model_loaded_timestamp_seconds", "When the version was ready",
        seconds_since_epoch(each.version->loaded_at()), labels_of(*each.version));
  }
}

void add_process(std::vector<MetricFamily>& families) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  add(families, MetricType::Counter, "process_cpu_seconds_total", "User and system time",
      seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  add(families, MetricType::Gauge, "process_resident_memory_bytes", "Resident memory",
      static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

struct Metrics::Collected {
  // The requests of one protocol.
  struct Requests {
    prometheus::Family<prometheus::Counter>& counts;
    prometheus::Family<prometheus::Histogram>& durations;
    const char* target;  // the label that says what was asked for
    const char* result;  // and the one that says how it ended

    // The families look up by a map of texts; this remembers what they found.
    struct Found {
      prometheus::Counter* count;
      prometheus::Histogram* durations;
    };
    std::mutex mutex = {};
    std::map<std::pair<std::string, std::string>, Found> found = {};

    void count(const std::string& asked, const std::string& ended, std::chrono::nanoseconds duration);
  };

  prometheus::Family<prometheus::Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  Requests http{
      counter("mlpipe_http_requests_total", "Requests by the path's pattern and the status of the answer"),
      histogram("mlpipe_http_request_duration_seconds",
                "From a request that has arrived whole to its answer"),
      "path", "status"};
  Requests grpc{
      counter("mlpipe_grpc_requests_total", "Calls by their method and the code of the answer"),
      histogram("mlpipe_grpc_request_duration_seconds", "From a call that has arrived whole to its answer"),
      "method", "code"};
};

void Metrics::Collected::Requests::count(const std::string& asked, const std::string& ended,
                                         std::chrono::nanoseconds duration) {
  Found metrics{};
  {
    const std::lock_guard lock(mutex);
    const auto [place, is_new] = found.try_emplace({asked, ended});
    if (is_new) {
      place->second = {&counts.Add({{target, asked}, {result, ended}}),
                       &durations.Add({{target, asked}}, buckets)};
    }
    metrics = place->second;
  }
  metrics.count->Increment();
  metrics.durations->Observe(std::chrono::duration<double>(duration).count());
}

Metrics::Metrics() : collected_(std::make_unique<Collected>()) {}
Metrics::~Metrics() = default;

void Metrics::count_request(const std::string& path, int status, std::chrono::nanoseconds duration) {
  collected_->http.count(path, std::to_string(status), duration);
}

void Metrics::count_call(const std::string& method, const std::string& code,
                         std::chrono::nanoseconds duration) {
  collected_->grpc.count(method, code, duration);
}

std::string Metrics::text(const EngineState& engine) const {
  std::vector<MetricFamily> families = collected_->registry.Collect();
  add(families, MetricType::Gauge, "mlpipe_http_requests_in_flight", "Requests that are being answered",
      static_cast<double>(http_in_flight_));
  add(families, MetricType::Gauge, "mlpipe_grpc_requests_in_flight", "Calls that are being answered",
      static_cast<double>(grpc_in_flight_));
  add_versions(families, engine.models);
  const char* loads = "mlpipe_model_loads_total";
  const char* loads_help = "Model versions that were loaded, by how it ended";
  add(families, MetricType::Counter, loads, loads_help, static_cast<double>(engine.loads_succeeded),
      {{"result", "succeeded"}});
  add(families, MetricType::Counter, loads, loads_help, static_cast<double>(engine.loads_failed),
      {{"result", "failed"}});
  add(families, MetricType::Gauge, "nv_model_load_duration_secs", "How long the latest load took",
      static_cast<double>(engine.load.duration.count()) / 1e3);
  add_process(families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace mlpipe
