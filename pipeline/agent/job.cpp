#include "pipeline/agent/job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "pipeline/agent/container_json.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/json_number.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::uint64_t largest_file = std::uint64_t{64} << 20U;
constexpr int most_processes = 1024;
constexpr off_t progress_window = 64 << 10;  // the last line lies within the last 64 KiB

// Reads a file of JSON with `read`, and says which file it was when it cannot.
template <class Read>
auto parse_file(const fs::path& path, const std::string& text, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const std::exception& error) {
    throw Error(fmt::format("reading {}: {}", path.string(), error.what()));
  }
}

void write_json(const fs::path& path, const Json& json, Durability durability,
                Json::error_handler_t not_utf8 = Json::error_handler_t::replace) {
  write_file_atomically(path, json.dump(2, ' ', false, not_utf8) + "\n", 0644, durability);
}

std::int64_t since_epoch(system_clock::time_point time) {
  return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

system_clock::time_point from_epoch(const Json& json) {
  constexpr std::int64_t farthest =
      9'000'000'000'000'000;  // the year 2255: the clock's own unit ends soon after
  return system_clock::time_point(microseconds(whole_number<std::int64_t>(json, -farthest, farthest)));
}

milliseconds milliseconds_from(const Json& json) {
  constexpr std::int64_t longest = 3'000'000'000'000;  // 95 years, so that a deadline still fits the clock
  return milliseconds(whole_number<std::int64_t>(json, 0, longest));
}

int status_from(const Json& json) {
  return whole_number<int>(json, -1, std::numeric_limits<int>::max());
}

Json listen_to_json(const std::vector<Listen>& listen) {
  Json json = Json::array();
  for (const Listen& one : listen) {
    json.push_back({{"name", one.name}, {"host", one.host}, {"port", one.port}});
  }
  return json;
}

std::vector<Listen> listen_from_json(const Json& json) {
  constexpr std::uint16_t largest_port = std::numeric_limits<std::uint16_t>::max();
  std::vector<Listen> listen;
  for (const Json& one : json) {
    listen.push_back(
        {one.at("name"), one.at("host"), whole_number<std::uint16_t>(one.at("port"), 0, largest_port)});
  }
  return listen;
}

std::optional<double> finite_number(const Json& json, const char* key) {
  const auto entry = json.find(key);
  if (entry == json.end() || !entry->is_number() || !std::isfinite(entry->get<double>())) {
    return std::nullopt;
  }
  return entry->get<double>();
}

std::string text_or_empty(const Json& json, const char* key) {
  const auto entry = json.find(key);
  return entry != json.end() && entry->is_string() ? entry->get<std::string>() : "";
}

std::optional<Progress> parse_progress(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !finite_number(json, "done")) {
    return std::nullopt;
  }
  Progress progress;
  progress.done = *finite_number(json, "done");
  progress.total = finite_number(json, "total").value_or(0);
  progress.unit = text_or_empty(json, "unit");
  progress.text = text_or_empty(json, "text");
  progress.rate = finite_number(json, "rate").value_or(0);
  progress.rate_unit = text_or_empty(json, "rate_unit");
  progress.seconds_left = finite_number(json, "seconds_left");
  return progress;
}

}  // namespace

std::string describe(const Ending& ending) {
  if (!ending.failure.empty()) {
    return fmt::format("could not start: {}", ending.failure);
  }
  if (ending.timed_out) {
    return fmt::format("timed out after {:.1f} s", static_cast<double>(ending.timeout.count()) / 1000);
  }
  if (ending.cancelled) {
    return "cancelled";
  }
  if (ending.out_of_memory) {
    return ending.memory_limit == 0 ? "out of memory: the machine had no more"
                                    : "out of memory: it had " + format_bytes(ending.memory_limit);
  }
  return describe(ProcessEnding{ending.exit_code, ending.signal});
}

void write_job(const fs::path& job_directory, const Job& job, Durability durability) {
  Json json = {{"arguments", job.arguments},
               {"environment", job.environment},
               {"labels", job.labels},
               {"secret_variables", job.secret_variables},
               {"work_directory", job.work_directory.string()},
               {"grace_ms", job.grace.count()},
               {"nodes", job.nodes},
               {"processes", job.processes},
               {"keep_running", job.keep_running},
               {"must_get_ready", job.must_get_ready},
               {"listen", listen_to_json(job.listen)},
               {"ready_file", job.ready_file.string()},
               {"ready_timeout_ms", job.ready_timeout.count()}};
  if (job.timeout) {
    json["timeout_ms"] = job.timeout->count();
  }
  if (job.container) {
    json["container"] = container_to_json(*job.container);
  }
  try {
    write_json(job_directory / "job.json", json, durability, Json::error_handler_t::strict);
  } catch (const Json::exception&) {
    throw Error(
        fmt::format("the command or the environment of the job in {} is not UTF-8", job_directory.string()));
  }
}

Job read_job(const fs::path& job_directory) {
  const fs::path path = job_directory / "job.json";
  Job job = parse_file(path, read_file(path, largest_file), [](const Json& json) {
    Job read;
    json.at("arguments").get_to(read.arguments);
    json.at("environment").get_to(read.environment);
    read.labels = json.value("labels", std::map<std::string, std::string>{});
    read.secret_variables = json.value("secret_variables", std::vector<std::string>{});
    read.work_directory = json.at("work_directory").get<std::string>();
    if (json.contains("timeout_ms")) {
      read.timeout = milliseconds_from(json.at("timeout_ms"));
    }
    read.grace = milliseconds_from(json.at("grace_ms"));
    if (json.contains("container")) {
      read.container = container_from_json(json.at("container"));
    }
    read.nodes = whole_number<int>(json.value("nodes", Json(1)), 1, most_processes);
    read.processes = whole_number<int>(json.value("processes", Json(1)), 1, most_processes);
    json.at("keep_running").get_to(read.keep_running);
    json.at("must_get_ready").get_to(read.must_get_ready);
    read.listen = listen_from_json(json.at("listen"));
    read.ready_file = json.at("ready_file").get<std::string>();
    read.ready_timeout = milliseconds_from(json.at("ready_timeout_ms"));
    return read;
  });
  if (job.arguments.empty() || !job.work_directory.is_absolute()) {
    throw Error(fmt::format("reading {}: it needs arguments and an absolute work_directory", path.string()));
  }
  return job;
}

std::optional<Ending> read_ending(const fs::path& job_directory) {
  const fs::path path = job_directory / "exit.json";
  const std::optional<std::string> text = read_file_if_exists(path, largest_file);
  if (!text) {
    return std::nullopt;
  }
  return parse_file(path, *text, [](const Json& json) {
    Ending ending;
    ending.exit_code = status_from(json.at("exit_code"));
    ending.signal = status_from(json.at("signal"));
    json.at("timed_out").get_to(ending.timed_out);
    ending.timeout = milliseconds_from(json.at("timeout_ms"));
    json.at("cancelled").get_to(ending.cancelled);
    json.at("failure").get_to(ending.failure);
    ending.out_of_memory = json.value("out_of_memory", false);
    ending.memory_limit = whole_number<std::uint64_t>(json.value("memory_limit", Json(0)), 0,
                                                      std::numeric_limits<std::uint64_t>::max());
    ending.started = from_epoch(json.at("started_us"));
    ending.finished = from_epoch(json.at("finished_us"));
    ending.peak_memory_bytes = whole_number<std::uint64_t>(json.at("peak_memory_bytes"), 0,
                                                           std::numeric_limits<std::uint64_t>::max());
    return ending;
  });
}

void write_ending(const fs::path& job_directory, const Ending& ending) {
  const Json json = {{"exit_code", ending.exit_code},
                     {"signal", ending.signal},
                     {"timed_out", ending.timed_out},
                     {"timeout_ms", ending.timeout.count()},
                     {"cancelled", ending.cancelled},
                     {"failure", ending.failure},
                     {"out_of_memory", ending.out_of_memory},
                     {"memory_limit", ending.memory_limit},
                     {"started_us", since_epoch(ending.started)},
                     {"finished_us", since_epoch(ending.finished)},
                     {"peak_memory_bytes", ending.peak_memory_bytes}};
  write_json(job_directory / "exit.json", json, Durability::later);
}

std::optional<Progress> read_progress(const fs::path& job_directory) {
  const fs::path path = job_directory / "progress";
  FileDescriptor file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // whatever the program put there
  if (!file) {
    return std::nullopt;
  }
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, size - progress_window);
  std::string tail(static_cast<std::size_t>(std::max<off_t>(0, size - begin)), '\0');
  const ssize_t count = ::pread(file.get(), tail.data(), tail.size(), begin);
  tail.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  while (true) {  // from the last whole line backwards
    const std::size_t end = tail.rfind('\n');
    if (end == std::string::npos) {
      return std::nullopt;
    }
    tail.resize(end);
    const std::size_t before = tail.rfind('\n');
    const std::size_t line_begin = before == std::string::npos ? 0 : before + 1;
    if (auto progress = parse_progress(std::string_view(tail).substr(line_begin))) {
      return progress;
    }
  }
}

std::vector<Listen> read_listen(const fs::path& job_directory) {
  const fs::path path = job_directory / "listen.json";
  const std::optional<std::string> text = read_file_if_exists(path, largest_file);
  return text ? parse_file(path, *text, listen_from_json) : std::vector<Listen>{};
}

void write_listen(const fs::path& job_directory, const std::vector<Listen>& bound) {
  write_json(job_directory / "listen.json", listen_to_json(bound), Durability::now);
}

}  // namespace mlpipe
