#pragma once

#include "server/protocol/openapi/schemas.hpp"

// What the document says of each route of the public port: summary, body, what it answers when all is well
// and what can go wrong with it alone. Path variables and what any request may meet are added by
// openapi_document.
namespace mlpipe::operation {

OpenApiJson predict(const DocumentedModels& models);
OpenApiJson predict_picture(const DocumentedModels& models);
OpenApiJson classify(const DocumentedModels& models);
OpenApiJson feedback(const DocumentedModels& models);

OpenApiJson show_page(const DocumentedModels& models);
OpenApiJson describe_model(const DocumentedModels& models);
OpenApiJson show_document(const DocumentedModels& models);
OpenApiJson show_documentation(const DocumentedModels& models);
OpenApiJson metrics(const DocumentedModels& models);

OpenApiJson live(const DocumentedModels& models);
OpenApiJson ready(const DocumentedModels& models);

OpenApiJson kserve_models(const DocumentedModels& models);
OpenApiJson kserve_model(const DocumentedModels& models);
OpenApiJson kserve_predict(const DocumentedModels& models);

OpenApiJson v2_server(const DocumentedModels& models);
OpenApiJson v2_model(const DocumentedModels& models);
OpenApiJson v2_ready(const DocumentedModels& models);
OpenApiJson v2_config(const DocumentedModels& models);
OpenApiJson v2_statistics(const DocumentedModels& models);
OpenApiJson v2_infer(const DocumentedModels& models);

}  // namespace mlpipe::operation
