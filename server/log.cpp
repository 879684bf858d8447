#include "server/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

std::shared_ptr<spdlog::logger> logger_of(const std::string& pattern) {
  auto logger =
      std::make_shared<spdlog::logger>("mlpipe-serve", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  return logger;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = logger_of("%Y-%m-%dT%H:%M:%S.%eZ %l %v");
  return *instance;
}

void log(spdlog::level::level_enum level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += fmt::format(
        " {}={}", field.name,
        nlohmann::json(field.value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  logger().log(level, "{}", line);
}

}  // namespace

void log_info(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::info, event, fields);
}

void log_error(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::err, event, fields);
}

void log_line(std::string_view line) {
  static const std::shared_ptr<spdlog::logger> plain = logger_of("%v");
  plain->info("{}", line);
}

}  // namespace mlpipe
