#pragma once

#include <nlohmann/json_fwd.hpp>

namespace mlpipe {
struct DocumentedModels;
}

// What the OpenAPI document says of each route of the public port: summary, body, what it answers when all is
// well and what can go wrong with it alone. Path variables and what any request may meet are added by
// document_routes. Written in openapi/.
namespace mlpipe::operation {

nlohmann::ordered_json predict(const DocumentedModels& models);
nlohmann::ordered_json predict_picture(const DocumentedModels& models);
nlohmann::ordered_json classify(const DocumentedModels& models);
nlohmann::ordered_json feedback(const DocumentedModels& models);

nlohmann::ordered_json show_page(const DocumentedModels& models);
nlohmann::ordered_json describe_model(const DocumentedModels& models);
nlohmann::ordered_json show_document(const DocumentedModels& models);
nlohmann::ordered_json show_documentation(const DocumentedModels& models);
nlohmann::ordered_json metrics(const DocumentedModels& models);

nlohmann::ordered_json live(const DocumentedModels& models);
nlohmann::ordered_json ready(const DocumentedModels& models);

nlohmann::ordered_json kserve_models(const DocumentedModels& models);
nlohmann::ordered_json kserve_model(const DocumentedModels& models);
nlohmann::ordered_json kserve_predict(const DocumentedModels& models);

nlohmann::ordered_json v2_server(const DocumentedModels& models);
nlohmann::ordered_json v2_model(const DocumentedModels& models);
nlohmann::ordered_json v2_ready(const DocumentedModels& models);
nlohmann::ordered_json v2_config(const DocumentedModels& models);
nlohmann::ordered_json v2_statistics(const DocumentedModels& models);
nlohmann::ordered_json v2_infer(const DocumentedModels& models);

}  // namespace mlpipe::operation
