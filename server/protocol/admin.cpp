#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"
#include "server/log.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

Response respond(const Json& document, int status = 200) {
  return {status, "application/json", document.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json describe(const ModelVersion& version) {
  const BatchCounts counts = version.counts();
  return {{"model", version.model().name},
          {"version", version.label()},
          {"directory", version.directory().string()},
          {"digest", version.digest().hex()},
          {"weights", version.model().weights.hex()},
          {"loaded_at", format_time(version.loaded_at())},
          {"requests", counts.requests},
          {"failures", counts.failures},
          {"examples", counts.examples}};
}

Response describe(const ReloadReport& report) {
  Json parts = Json::array();
  for (const ReloadReport::Part& part : report.parts) {
    parts.push_back({{"what", part.what}, {"ok", part.error.empty()}});
    if (!part.error.empty()) {
      parts.back()["error"] = part.error;
    }
  }
  if (const std::string error = report.error(); !error.empty()) {
    return respond({{"error", error}, {"parts", std::move(parts)}}, 422);
  }
  return respond({{"parts", std::move(parts)}});
}

Response show_state(const Engine& engine) {
  const EngineState state = engine.state();
  Json document = {{"state", phase_name(state.phase)}};
  if (state.current) {
    document.update(describe(*state.current));
  }
  Json load = {{"state", phase_name(state.load.phase)},
               {"version", state.load.version},
               {"directory", state.load.directory.string()},
               {"milliseconds", state.load.duration.count()}};
  if (!state.load.error.empty()) {
    load["error"] = state.load.error;
  }
  document["load"] = std::move(load);
  return respond(document);
}

std::string required_text(const JsonField& field, const std::string& name) {
  if (!field) {
    throw RequestError(400, fmt::format("{}: it is missing", name));
  }
  std::string text = read_text(*field, name);
  if (text.empty() || text.size() > 4096 || printable(text) != text || text.find('\n') != std::string::npos) {
    throw RequestError(400, fmt::format("{}: a text of 1 to 4096 characters in one line is expected", name));
  }
  return text;
}

Response load(Engine& engine, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"directory", "version"});
  const std::filesystem::path directory = required_text(fields[0], "directory");
  const std::string label = required_text(fields[1], "version");
  if (!directory.is_absolute()) {
    throw RequestError(400, fmt::format("directory: '{}' is not an absolute path", directory.string()));
  }
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    throw RequestError(400, fmt::format("directory: '{}' is no folder here", directory.string()));
  }
  try {
    const std::shared_ptr<const ModelVersion> version = engine.load(directory, label);
    Json document = {{"state", "serving"}};
    document.update(describe(*version));
    log_info("load", {{"model", version->model().name},
                      {"version", label},
                      {"directory", directory.string()},
                      {"digest", version->digest().hex()}});
    return respond(document);
  } catch (const LoadUnderWay& failure) {
    Response response = error_response(409, fmt::format("{}: {}", failure.what(), failure.hint()));
    response.headers.push_back({"Retry-After", "1"});
    return response;
  } catch (const std::exception& failure) {
    const auto* known = dynamic_cast<const Error*>(&failure);
    const std::string hint = known == nullptr || known->hint().empty() ? "" : " (" + known->hint() + ")";
    const std::string what(split(failure.what(), '\n').front());  // libtorch adds a stack trace
    log_error("load failed", {{"version", label}, {"directory", directory.string()}, {"error", what}});
    return error_response(422, fmt::format("directory: {}{}", what, hint));
  }
}

}  // namespace

std::vector<Route> admin_routes(Engine& engine, Administration administration) {
  return {
      {"GET", "/admin/state", [&engine](const Request&, const PathValues&) { return show_state(engine); }},
      {"POST", "/admin/load",
       [&engine](const Request& request, const PathValues&) { return load(engine, request); }},
      {"POST", "/admin/reload",
       [reload = std::move(administration.reload)](const Request&, const PathValues&) {
         return describe(reload());
       }},
      {"POST", "/admin/stop",
       [stop = std::move(administration.request_stop)](const Request&, const PathValues&) {
         stop();
         return respond({{"state", "draining"}}, 202);
       }}};
}

}  // namespace mlpipe
