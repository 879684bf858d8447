#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/engine/engine.hpp"

namespace mlpipe {

using OpenApiJson = nlohmann::ordered_json;

// The models that are loaded while a document is written, the default one first. Never empty.
struct DocumentedModels {
  std::vector<std::shared_ptr<const ModelVersion>> models;  // the main version of each
  std::vector<std::string> names;                           // what "{name}" may stand for
  std::vector<std::string> versions;                        // "{version}": labels, aliases, "latest"

  const Model& main() const { return models.front()->model(); }
};

// JSON Schemas, as OpenAPI 3.1 takes them, of what requests to a model hold and what it answers.
namespace schema {

OpenApiJson components();  // what others refer to, by name

OpenApiJson text();
OpenApiJson one_of_texts(const std::vector<std::string>& texts);
OpenApiJson list_of(OpenApiJson item);
// An object with these fields and no others; those whose names end with "?" may be missing.
OpenApiJson object(std::initializer_list<std::pair<std::string, OpenApiJson>> fields);
// An object that may hold more than these fields.
OpenApiJson open_object(std::initializer_list<std::pair<std::string, OpenApiJson>> fields);
OpenApiJson any_of(std::vector<OpenApiJson> choices);

OpenApiJson one_example(const Model& model);  // flat, or nested in the input's shape
OpenApiJson examples(const Model& model);     // a list of such
OpenApiJson prediction(const Model& model);   // one answer of /predict
OpenApiJson predictions(const Model& model);  // the answer to a list
OpenApiJson instances(const Model& model);    // KServe's
OpenApiJson right_label(const Model& model);  // what feedback says
OpenApiJson inference(const Model& model);    // a request of the Open Inference Protocol
OpenApiJson inference_answer();

OpenApiJson middle_of(const Model& model);  // an example as it may be sent, flat
OpenApiJson with_example(OpenApiJson schema, OpenApiJson example);

}  // namespace schema
}  // namespace mlpipe
