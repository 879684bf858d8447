#pragma once

#include <string>
#include <vector>

#include "server/protocol/openapi/schemas.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {

struct DocumentedRoute {
  std::string method;
  std::string pattern;
  DescribeOperation describe;
};

// The OpenAPI 3.1 document of the routes, with schemas of the models that are loaded now.
OpenApiJson openapi_document(const std::vector<DocumentedRoute>& routes, const DocumentedModels& models);

// GET /openapi.json and GET /docs, the document of `others` and of these two. Throws Error for a route that
// does not describe itself.
std::vector<Route> document_routes(Engine& engine, const std::vector<Route>& others);

}  // namespace mlpipe
