#include "server/protocol/operations.hpp"

#include <utility>

#include "server/protocol/openapi/schemas.hpp"
#include "server/protocol/v2/check.hpp"

namespace mlpipe::operation {
namespace {

OpenApiJson content(const char* type, OpenApiJson schema) {
  return {{type, {{"schema", std::move(schema)}}}};
}

OpenApiJson json(OpenApiJson schema) {
  return content("application/json", std::move(schema));
}

OpenApiJson bytes(const char* type) {
  return {{"type", "string"}, {"contentMediaType", type}};
}

OpenApiJson required_body(OpenApiJson content) {
  return {{"required", true}, {"content", std::move(content)}};
}

OpenApiJson answer(const char* description, OpenApiJson content) {
  return {{"description", description}, {"content", std::move(content)}};
}

OpenApiJson operation(const char* tag, const char* summary, OpenApiJson ok) {
  return {{"tags", {tag}}, {"summary", summary}, {"responses", {{"200", std::move(ok)}}}};
}

// A schema of each model that is loaded, for what may be about any of them.
OpenApiJson of_any(const DocumentedModels& models, OpenApiJson (*schema_of)(const Model&)) {
  std::vector<OpenApiJson> choices;
  for (const auto& version : models.models) {
    choices.push_back(schema_of(version->model()));
  }
  return schema::any_of(std::move(choices));
}

// What picture_in takes.
OpenApiJson picture_body() {
  const OpenApiJson data_url = {{"type", "string"}, {"pattern", "^data:[^,]*;base64,[A-Za-z0-9+/]*={0,2}$"}};
  // One grey pixel.
  const char* pixel =
      "data:image/png;base64,"
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==";
  OpenApiJson body = json(schema::with_example(schema::object({{"image", data_url}}), {{"image", pixel}}));
  body["multipart/form-data"] = {{"schema",
                                  {{"type", "object"},
                                   {"properties", {{"file", bytes("application/octet-stream")}}},
                                   {"required", {"file"}}}}};
  for (const char* type : {"image/png", "image/jpeg", "application/octet-stream"}) {
    body[type] = {{"schema", bytes(type)}};
  }
  body["text/plain"] = {{"schema", data_url}};
  return required_body(std::move(body));
}

OpenApiJson number() {
  return {{"type", "number"}};
}

OpenApiJson count() {
  return {{"type", "integer"}, {"minimum", 0}};
}

OpenApiJson tensors() {
  return schema::list_of(schema::object({{"name", schema::text()},
                                         {"datatype", schema::text()},
                                         {"shape", schema::list_of({{"type", "integer"}})}}));
}

OpenApiJson duration() {
  return schema::object({{"count", count()}, {"ns", count()}});
}

OpenApiJson is_true() {
  return {{"const", true}};
}

OpenApiJson feedback_body(const Model& model) {
  const OpenApiJson label = schema::right_label(model);
  const bool is_regression = model.task == Task::regression;
  const OpenApiJson right = is_regression ? OpenApiJson(std::vector<double>(model.labels.size(), 0))
                                          : OpenApiJson(model.labels.front());
  const OpenApiJson example = {{"data", schema::middle_of(model)}, {"label", right}};
  return schema::any_of({schema::object({{"request_id", schema::text()}, {"label", label}}),
                         schema::with_example(schema::object({{"data", schema::one_example(model)},
                                                              {"label", label},
                                                              {"model?", {{"const", model.name}}}}),
                                              example)});
}

}  // namespace

OpenApiJson predict(const DocumentedModels& models) {
  const Model& model = models.main();
  OpenApiJson described = operation(
      "predict", "Asks the model about one example, or a list of examples",
      answer("what it says", json(schema::any_of({schema::prediction(model), schema::predictions(model)}))));
  const OpenApiJson body =
      schema::object({{"data", schema::any_of({schema::one_example(model), schema::examples(model)})}});
  described["requestBody"] =
      required_body(json(schema::with_example(body, {{"data", schema::middle_of(model)}})));
  return described;
}

OpenApiJson predict_picture(const DocumentedModels& models) {
  OpenApiJson described = operation("predict", "Asks the model about a JPEG or PNG",
                                    answer("what it says", json(schema::prediction(models.main()))));
  described["requestBody"] = picture_body();
  return described;
}

OpenApiJson classify(const DocumentedModels& models) {
  const Model& model = models.main();
  OpenApiJson best =
      schema::list_of(schema::object({{"Class", schema::one_of_texts(model.labels)}, {"Score", number()}}));
  best["maxItems"] = 5;
  OpenApiJson described = operation("predict", "The best classes of a JPEG or PNG",
                                    answer("the best first", json(std::move(best))));
  described["requestBody"] = picture_body();
  return described;
}

OpenApiJson feedback(const DocumentedModels& models) {
  OpenApiJson described =
      operation("feedback", "Says what the right answer was: to an earlier request, or for a new example",
                answer("whether it was new", json(schema::object({{"stored", {{"type", "boolean"}}}}))));
  described["requestBody"] = required_body(json(of_any(models, feedback_body)));
  described["responses"]["404"] = {{"$ref", "#/components/responses/404"}};
  described["responses"]["409"] = {{"$ref", "#/components/responses/409"}};
  described["responses"]["507"] = {{"$ref", "#/components/responses/507"}};
  return described;
}

OpenApiJson show_page(const DocumentedModels& /*models*/) {
  return operation("pages", "The page for people", answer("HTML", content("text/html", schema::text())));
}

OpenApiJson describe_model(const DocumentedModels& models) {
  const OpenApiJson range = schema::list_of(number());
  const OpenApiJson column = schema::object(
      {{"name", schema::text()}, {"range?", range}, {"categories?", schema::list_of(schema::text())}});
  OpenApiJson model = schema::object({{"model", schema::text()},
                                      {"version", schema::text()},
                                      {"task", schema::text()},
                                      {"image", {{"type", "boolean"}}},
                                      {"shape", schema::list_of(count())},
                                      {"range", range},
                                      {"indices?", count()},
                                      {"columns", schema::list_of(column)},
                                      {"labels", schema::list_of(schema::text())},
                                      {"feedback", {{"type", "boolean"}}}});
  model["properties"]["task"] = {{"const", task_name(models.main().task)}};
  return operation("pages", "What the page knows of the model",
                   answer("its inputs and labels, and whether feedback is taken", json(std::move(model))));
}

OpenApiJson show_document(const DocumentedModels& /*models*/) {
  return operation("pages", "This document", answer("OpenAPI 3.1", json({{"type", "object"}})));
}

OpenApiJson show_documentation(const DocumentedModels& /*models*/) {
  return operation("pages", "This document for people", answer("HTML", content("text/html", schema::text())));
}

OpenApiJson metrics(const DocumentedModels& /*models*/) {
  return operation("health", "Metrics as Prometheus reads them",
                   answer("the text format 0.0.4", content("text/plain", schema::text())));
}

OpenApiJson live(const DocumentedModels& /*models*/) {
  return operation("health", "Whether the server runs",
                   answer("it does", json(schema::object({{"live", is_true()}}))));
}

OpenApiJson ready(const DocumentedModels& /*models*/) {
  return operation("health", "Whether the server takes requests; 503 while it starts or ends",
                   answer("it does", json(schema::object({{"ready", is_true()}}))));
}

OpenApiJson kserve_models(const DocumentedModels& /*models*/) {
  return operation(
      "kserve v1", "The models that are loaded",
      answer("their names", json(schema::object({{"models", schema::list_of(schema::text())}}))));
}

OpenApiJson kserve_model(const DocumentedModels& /*models*/) {
  return operation("kserve v1", "Whether a model is ready",
                   answer("it is", json(schema::object({{"name", schema::text()}, {"ready", is_true()}}))));
}

OpenApiJson kserve_predict(const DocumentedModels& models) {
  const auto without_version = [](const Model& model) {
    OpenApiJson answer = schema::predictions(model);
    answer["properties"].erase("model");
    answer["properties"].erase("version");
    answer["required"] = {"predictions"};
    return answer;
  };
  OpenApiJson described = operation("kserve v1", "Asks a model about a list of examples",
                                    answer("what it says", json(of_any(models, without_version))));
  described["requestBody"] = required_body(json(of_any(models, schema::instances)));
  return described;
}

OpenApiJson v2_server(const DocumentedModels& /*models*/) {
  return operation("inference v2", "Name, version and extensions of the server",
                   answer("the server's metadata",
                          json(schema::object({{"name", schema::text()},
                                               {"version", schema::text()},
                                               {"extensions", schema::list_of(schema::text())}}))));
}

OpenApiJson v2_model(const DocumentedModels& /*models*/) {
  return operation(
      "inference v2", "Inputs, outputs and versions of a model",
      answer("the model's metadata", json(schema::object({{"name", schema::text()},
                                                          {"versions", schema::list_of(schema::text())},
                                                          {"platform", schema::text()},
                                                          {"inputs", tensors()},
                                                          {"outputs", tensors()}}))));
}

OpenApiJson v2_ready(const DocumentedModels& models) {
  OpenApiJson described = kserve_model(models);
  described["tags"] = {"inference v2"};
  return described;
}

OpenApiJson v2_config(const DocumentedModels& /*models*/) {
  const OpenApiJson objects = schema::list_of({{"type", "object"}});
  return operation(
      "inference v2", "The configuration of a model, in Triton's form",
      answer("the configuration", json(schema::object({{"name", schema::text()},
                                                       {"platform", schema::text()},
                                                       {"backend", schema::text()},
                                                       {"max_batch_size", count()},
                                                       {"input", objects},
                                                       {"output", objects},
                                                       {"instance_group", objects},
                                                       {"dynamic_batching", {{"type", "object"}}}}))));
}

OpenApiJson v2_statistics(const DocumentedModels& /*models*/) {
  OpenApiJson times = schema::object({{"success", duration()},
                                      {"fail", duration()},
                                      {"queue", duration()},
                                      {"compute_input", duration()},
                                      {"compute_infer", duration()},
                                      {"compute_output", duration()},
                                      {"cache_hit", duration()},
                                      {"cache_miss", duration()}});
  OpenApiJson row = schema::object({{"name", schema::text()},
                                    {"version", schema::text()},
                                    {"last_inference", count()},
                                    {"inference_count", count()},
                                    {"execution_count", count()},
                                    {"inference_stats", std::move(times)},
                                    {"batch_stats", schema::list_of({{"type", "object"}})}});
  return operation("inference v2", "What has been counted, in Triton's form",
                   answer("a row for each version",
                          json(schema::object({{"model_stats", schema::list_of(std::move(row))}}))));
}

OpenApiJson v2_infer(const DocumentedModels& models) {
  OpenApiJson outputs = json(schema::inference_answer());
  outputs["application/octet-stream"] = {{"schema", bytes("application/octet-stream")}};
  OpenApiJson ok =
      answer("the outputs; as bytes behind the JSON where that was asked for", std::move(outputs));
  const char* length = "Inference-Header-Content-Length";
  ok["headers"][length] = {{"description", "how long the JSON is that the bytes follow"},
                           {"schema", count()}};
  OpenApiJson described = operation("inference v2", "Asks a model about a tensor of examples", std::move(ok));
  described["parameters"] = OpenApiJson::array(
      {{{"name", length},
        {"in", "header"},
        {"description",
         "how long the JSON of the body is; behind it stand the bytes of the inputs. 0: the body "
         "is nothing but the FP32 of one input"},
        {"schema", count()}}});
  OpenApiJson body = json(of_any(models, schema::inference));
  body["application/octet-stream"] = {{"schema", bytes("application/octet-stream")}};
  described["requestBody"] = required_body(std::move(body));
  return described;
}

}  // namespace mlpipe::operation
