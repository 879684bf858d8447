#include "server/protocol/loading.hpp"

#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "server/log.hpp"
#include "server/protocol/failure.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {

using Json = nlohmann::ordered_json;

namespace {

// [[seconds, requests that took up to that, and more than the class before], …] without empty classes.
Json to_json(const Latencies& latencies) {
  Json classes = Json::array();
  for (std::size_t i = 0; i < Latencies::size; ++i) {
    if (latencies.count(i) > 0) {
      classes.push_back({Latencies::upper_bound(i), latencies.count(i)});
    }
  }
  return classes;
}

}  // namespace

Json describe_version(const ModelVersion& version) {
  const BatchCounts counts = version.counts();
  return {{"model", version.model().name},
          {"version", version.label()},
          {"directory", version.directory().string()},
          {"digest", version.digest().hex()},
          {"weights", version.model().weights.hex()},
          {"loaded_at", format_time(version.loaded_at())},
          {"requests", counts.requests},
          {"failures", counts.failures},
          {"errors", counts.errors},
          {"latencies", to_json(counts.latencies)},
          {"examples", counts.examples}};
}

Response load_for_request(Engine& engine, const std::filesystem::path& directory, const std::string& label,
                          Engine::Takeover takeover, const char* field) {
  try {
    const std::shared_ptr<const ModelVersion> version = engine.load(directory, label, takeover);
    Json document = {{"state", "serving"}};
    document.update(describe_version(*version));
    log_info("load", {{"model", version->model().name},
                      {"version", label},
                      {"directory", directory.string()},
                      {"digest", version->digest().hex()}});
    return {200, "application/json", document.dump(-1, ' ', false, Json::error_handler_t::replace)};
  } catch (const LoadUnderWay& failure) {
    Response response = error_response(409, fmt::format("{}: {}", failure.what(), failure.hint()));
    response.headers.push_back({"Retry-After", "1"});
    return response;
  } catch (const std::exception& failure) {
    const std::string reason = reason_of(failure);
    log_error("load failed", {{"version", label}, {"directory", directory.string()}, {"error", reason}});
    return error_response(422, fmt::format("{}: {}", field, reason));
  }
}

Engine::Takeover takeover_named(const JsonField& field, const std::string& name) {
  const std::string text = field ? read_text(*field, name) : "replace";
  if (text != "replace" && text != "beside") {
    throw RequestError(400, fmt::format("{}: 'replace' or 'beside' is expected", name));
  }
  return text == "beside" ? Engine::Takeover::beside : Engine::Takeover::replace;
}

}  // namespace mlpipe
