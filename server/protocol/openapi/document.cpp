// The document at /openapi.json, and the page that shows it.

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <set>
#include <utility>

#include "server/page/page.hpp"
#include "server/protocol/html.hpp"
#include "server/protocol/openapi/schemas.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/describe.hpp"

namespace mlpipe {
namespace {

struct DocumentedRoute {
  std::string method;
  std::string pattern;
  DescribeOperation describe;
};

struct Refusal {
  const char* status;
  const char* when;
  bool is_common;  // whether any request may meet it
};

constexpr std::array refusals = {
    Refusal{"400", "the request is not HTTP, or holds what the model does not take; the field is named",
            true},
    Refusal{"401", "the server asks for credentials, and they are missing or wrong", true},
    Refusal{"404", "there is no such model, version or request", false},
    Refusal{"408", "the request took too long to arrive", true},
    Refusal{"409", "the model was replaced by one of another shape", false},
    Refusal{"413", "the body is too large", true},
    Refusal{"415", "the body is of another type or encoding", true},
    Refusal{"431", "the headers are too large, or too many", true},
    Refusal{"500", "the model failed", true},
    Refusal{"503", "there is no room, or no model yet; try again", true},
    Refusal{"504", "the time for the answer is over", true},
    Refusal{"505", "only HTTP/1.0 and HTTP/1.1 are spoken", true},
    Refusal{"507", "no more feedback is taken", false},
};

OpenApiJson reference(const std::string& to) {
  return {{"$ref", "#/components/" + to}};
}

// "get_v2_models_name_ready"
std::string operation_id(const DocumentedRoute& route) {
  std::string id = route.method + (route.pattern == "/" ? "_page" : route.pattern);
  if (route.pattern.size() > 1 && route.pattern.back() == '/') {
    id += "picture";
  }
  std::string result;
  for (const char character : id) {
    const bool is_letter = std::isalnum(static_cast<unsigned char>(character)) != 0;
    if (is_letter) {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
    } else if (!result.ends_with('_') && character != '}') {
      result += '_';
    }
  }
  return result;
}

// "name" of "/v1/models/{name}:predict", in order.
std::vector<std::string> variables_in(const std::string& pattern) {
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = pattern.find('{', at)) != std::string::npos; ++at) {
    names.push_back(pattern.substr(at + 1, pattern.find('}', at) - at - 1));
  }
  return names;
}

OpenApiJson operation_of(const DocumentedRoute& route, const DocumentedModels& models) {
  OpenApiJson operation = route.describe(models);
  operation["operationId"] = operation_id(route);
  const std::vector<std::string> variables = variables_in(route.pattern);
  for (const std::string& name : variables) {
    operation["parameters"].push_back(
        {{"name", name},
         {"in", "path"},
         {"required", true},
         {"schema", schema::one_of_texts(name == "version" ? models.versions : models.names)}});
  }
  OpenApiJson& responses = operation["responses"];  // a field added beside it would move it
  if (!variables.empty()) {
    responses["404"] = reference("responses/404");
  }
  for (const Refusal& refusal : refusals) {
    if (refusal.is_common && !responses.contains(refusal.status)) {
      responses[refusal.status] = reference(std::string("responses/") + refusal.status);
    }
  }
  responses["200"]["headers"]["X-Request-Id"] = reference("headers/X-Request-Id");
  responses["200"]["headers"]["traceparent"] = reference("headers/traceparent");
  return operation;
}

OpenApiJson components() {
  OpenApiJson responses = OpenApiJson::object();
  for (const Refusal& refusal : refusals) {
    OpenApiJson& response = responses[refusal.status];
    response = {{"description", refusal.when},
                {"headers", {{"X-Request-Id", reference("headers/X-Request-Id")}}},
                {"content", {{"application/json", {{"schema", reference("schemas/Error")}}}}}};
  }
  responses["503"]["headers"]["Retry-After"] = {{"description", "in so many seconds"},
                                                {"schema", {{"type", "integer"}, {"minimum", 1}}}};
  responses["401"]["headers"]["WWW-Authenticate"] = {{"description", "what is asked for"},
                                                     {"schema", schema::text()}};
  return {{"schemas", schema::components()},
          {"headers",
           {{"X-Request-Id",
             {{"description", "the request's own, where it is sane, else a new one"},
              {"required", true},
              {"schema", {{"type", "string"}, {"pattern", "^[A-Za-z0-9_.:/+=@-]{1,128}$"}}}}},
            {"traceparent",
             {{"description", "where the request had one: W3C Trace Context, with the server's own span"},
              {"schema", schema::text()}}}}},
          {"responses", std::move(responses)},
          {"securitySchemes",
           {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
            {"basic", {{"type", "http"}, {"scheme", "basic"}}}}}};
}

DocumentedModels models_of(const Engine& engine) {
  DocumentedModels models;
  std::set<std::string> versions = {"latest"};
  for (const ServedModel& model : engine.state().models) {
    models.models.push_back(model.main());
    models.names.push_back(model.name);
    for (const ServedModel::Version& each : model.versions) {
      versions.insert(each.version->label());
    }
    for (const auto& [alias, label] : model.aliases) {
      versions.insert(alias);
    }
  }
  if (models.models.empty()) {
    throw RequestError(503, "the server has no model yet, try again");
  }
  models.versions.assign(versions.begin(), versions.end());
  return models;
}

OpenApiJson openapi_document(const std::vector<DocumentedRoute>& routes, const DocumentedModels& models) {
  OpenApiJson paths = OpenApiJson::object();
  for (const DocumentedRoute& route : routes) {
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char character) { return static_cast<char>(std::tolower(character)); });
    paths[route.pattern][method] = operation_of(route, models);
  }
  return {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "mlpipe-serve"},
        {"version", MLPIPE_VERSION},
        {"description",
         "What is asked by GET is answered to HEAD too. JSON is also read from bodies of no type, "
         "text/plain, "
         "application/octet-stream and application/x-www-form-urlencoded. Bodies may come packed by gzip, "
         "and "
         "answers go so to who accepts it. Another path is answered with 404 and another method with 405, "
         "as {\"error\"} both."}}},
      {"paths", std::move(paths)},
      {"components", components()},
      // None, or one of them where the server was started to ask for it.
      {"security",
       OpenApiJson::array(
           {OpenApiJson::object(), {{"bearer", OpenApiJson::array()}}, {{"basic", OpenApiJson::array()}}})}};
}

}  // namespace

std::vector<Route> document_routes(Engine& engine, const std::vector<Route>& others) {
  const auto documented = std::make_shared<std::vector<DocumentedRoute>>();
  std::vector<Route> routes = {
      {"GET", "/openapi.json",
       [&engine, documented](const Request&, const PathValues&) {
         return json_document(openapi_document(*documented, models_of(engine)));
       },
       operation::show_document},
      {"GET", "/docs",
       [](const Request&, const PathValues&) { return html_response(std::string(docs_html())); },
       operation::show_documentation}};
  const auto document = [&documented](const std::vector<Route>& some) {
    for (const Route& route : some) {
      if (route.describe == nullptr) {
        throw Error("the route " + route.pattern + " does not describe itself");
      }
      documented->push_back({route.method, route.pattern, route.describe});
    }
  };
  document(others);
  document(routes);
  return routes;
}

}  // namespace mlpipe
