#include "server/protocol/openapi/schemas.hpp"

#include <limits>
#include <optional>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/prediction.hpp"
#include "server/protocol/v2/check.hpp"
#include "server/protocol/v2/datatype.hpp"

namespace mlpipe::schema {
namespace {

OpenApiJson with_fields(std::initializer_list<std::pair<std::string, OpenApiJson>> fields) {
  OpenApiJson properties = OpenApiJson::object();
  OpenApiJson required = OpenApiJson::array();
  for (const auto& [name, field] : fields) {
    const bool is_optional = name.ends_with('?');
    properties[is_optional ? name.substr(0, name.size() - 1) : name] = field;
    if (!is_optional) {
      required.push_back(name);
    }
  }
  OpenApiJson schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

OpenApiJson fp32() {
  return {{"$ref", "#/components/schemas/FP32"}};
}

OpenApiJson whole_number(std::int64_t least) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", std::numeric_limits<std::int64_t>::max()}};
}

OpenApiJson list_of_length(OpenApiJson item, std::int64_t length) {
  OpenApiJson list = list_of(std::move(item));
  list["minItems"] = length;
  list["maxItems"] = length;
  return list;
}

// A value of the network's own: an index where it looks up an embedding, else a number.
OpenApiJson value_of(const Model& model) {
  if (const auto count = model.network.index_count()) {
    return {{"type", "integer"}, {"minimum", 0}, {"maximum", *count - 1}};
  }
  return fp32();
}

// The number that a client may send for a text because it is spelled like it.
std::optional<OpenApiJson> number_for(const std::string& text) {
  OpenApiJson number = OpenApiJson::parse(text, nullptr, false);
  return number.is_number() && number_text(number.get<double>()) == text ? std::optional(std::move(number))
                                                                         : std::nullopt;
}

// One of the texts, or the number that is spelled like one of them.
OpenApiJson category_of(const Column& column) {
  OpenApiJson choices = column.categories;
  for (const std::string& category : column.categories) {
    if (const auto number = number_for(category)) {
      choices.push_back(*number);
    }
  }
  return {{"enum", std::move(choices)}, {"title", column.name}};
}

OpenApiJson flat(const Model& model) {
  const auto length = static_cast<std::int64_t>(model.values());
  if (model.input_shape.size() != 1 || model.preprocessing.categories.empty()) {
    return list_of_length(value_of(model), length);
  }
  OpenApiJson values = OpenApiJson::array();
  for (const Column& column : model.columns) {
    OpenApiJson value = fp32();
    value["title"] = column.name;
    values.push_back(column.categories.empty() ? std::move(value) : category_of(column));
  }
  return {{"type", "array"}, {"prefixItems", std::move(values)}, {"minItems", length}, {"maxItems", length}};
}

OpenApiJson nested(const Model& model, std::size_t first = 0) {
  OpenApiJson schema = value_of(model);
  for (std::size_t i = model.input_shape.size(); i > first; --i) {
    schema = list_of_length(std::move(schema), model.input_shape[i - 1]);
  }
  return schema;
}

OpenApiJson batch_of(const Model& model, OpenApiJson example) {
  OpenApiJson list = list_of(std::move(example));
  list["minItems"] = 1;
  list["maxItems"] = most_examples(model);
  return list;
}

OpenApiJson label_of(const Model& model) {
  OpenApiJson labels = OpenApiJson::array();
  for (const std::string& label : model.labels) {
    labels.push_back(labels_are_numbers(model) ? OpenApiJson(std::stoll(label)) : OpenApiJson(label));
  }
  return {{"enum", std::move(labels)}};
}

// "prediction", and "scores" or "margins" where there are classes.
OpenApiJson choice(const Model& model) {
  if (model.task == Task::regression) {
    const auto targets = static_cast<std::int64_t>(model.labels.size());
    return object({{"prediction", targets == 1 ? fp32() : list_of_length(fp32(), targets)}});
  }
  OpenApiJson scores = {
      {"type", "object"}, {"properties", OpenApiJson::object()}, {"required", model.labels}};
  for (const std::string& label : model.labels) {
    scores["properties"][label] = fp32();
  }
  scores["additionalProperties"] = false;
  return object({{"prediction", label_of(model)}, {model.task == Task::svm ? "margins" : "scores", scores}});
}

OpenApiJson naming_the_version(OpenApiJson answer) {
  for (const char* name : {"model", "version"}) {
    answer["properties"][name] = text();
    answer["required"].push_back(name);
  }
  return answer;
}

OpenApiJson datatype_names() {
  OpenApiJson names = OpenApiJson::array();
  for (const DatatypeEntry& entry : datatypes) {
    names.push_back(entry.name);
  }
  return {{"enum", std::move(names)}};
}

OpenApiJson input_tensor(const Model& model) {
  OpenApiJson sizes = OpenApiJson::array(
      {{{"type", "integer"}, {"minimum", 1}, {"maximum", most_examples(model)}, {"title", "examples"}}});
  for (const std::int64_t size : model.input_shape) {
    sizes.push_back({{"const", size}});
  }
  const std::size_t rank = sizes.size();
  OpenApiJson shape = {
      {"type", "array"}, {"prefixItems", std::move(sizes)}, {"minItems", rank}, {"maxItems", rank}};
  OpenApiJson parameters = open_object({{"binary_data_size?", whole_number(0)}});
  parameters["description"] =
      "binary_data_size: in place of data, the size of the bytes that follow behind the JSON";
  OpenApiJson data = {{"type", "array"}, {"description", "flat, or nested as the shape says"}};
  OpenApiJson tensor = object({{"name", {{"const", model.input_name}}},
                               {"shape", std::move(shape)},
                               {"datatype", datatype_names()},
                               {"data?", std::move(data)},
                               {"parameters?", std::move(parameters)}});
  tensor["anyOf"] = {
      {{"required", {"data"}}},
      {{"required", {"parameters"}}, {"properties", {{"parameters", {{"required", {"binary_data_size"}}}}}}}};
  return tensor;
}

// One example. Categories are indices here.
OpenApiJson example_tensor(const Model& model) {
  Shape shape = {1};
  shape.insert(shape.end(), model.input_shape.begin(), model.input_shape.end());
  OpenApiJson data = middle_of(model);
  for (OpenApiJson& value : data) {
    value = value.is_string() ? OpenApiJson(0) : value;
  }
  return {{"name", model.input_name}, {"shape", shape}, {"datatype", "FP32"}, {"data", std::move(data)}};
}

OpenApiJson output_wish(const Model& model) {
  OpenApiJson scores_parameters =
      has_label(model)
          ? open_object({{"binary_data?", {{"type", "boolean"}}}, {"classification?", whole_number(1)}})
          : open_object({{"binary_data?", {{"type", "boolean"}}}});
  OpenApiJson scores =
      object({{"name", {{"const", scores_output}}}, {"parameters?", std::move(scores_parameters)}});
  if (!has_label(model)) {
    return scores;
  }
  return any_of(
      {std::move(scores), object({{"name", {{"const", label_output}}},
                                  {"parameters?", open_object({{"binary_data?", {{"type", "boolean"}}}})}})});
}

}  // namespace

OpenApiJson components() {
  constexpr auto largest = static_cast<double>(std::numeric_limits<float>::max());
  OpenApiJson error = object({{"error", text()}});
  error["description"] = "the field, and what is wrong with it";
  return {{"Error", std::move(error)},
          {"FP32", {{"type", "number"}, {"minimum", -largest}, {"maximum", largest}}}};
}

OpenApiJson text() {
  return {{"type", "string"}};
}

OpenApiJson one_of_texts(const std::vector<std::string>& texts) {
  return {{"type", "string"}, {"enum", texts}};
}

OpenApiJson list_of(OpenApiJson item) {
  return {{"type", "array"}, {"items", std::move(item)}};
}

OpenApiJson object(std::initializer_list<std::pair<std::string, OpenApiJson>> fields) {
  OpenApiJson schema = with_fields(fields);
  schema["additionalProperties"] = false;
  return schema;
}

OpenApiJson open_object(std::initializer_list<std::pair<std::string, OpenApiJson>> fields) {
  return with_fields(fields);
}

OpenApiJson any_of(std::vector<OpenApiJson> choices) {
  return choices.size() == 1 ? std::move(choices.front()) : OpenApiJson{{"anyOf", std::move(choices)}};
}

OpenApiJson one_example(const Model& model) {
  const Shape& shape = model.input_shape;
  std::vector<OpenApiJson> forms = {flat(model)};
  if (shape.size() > 1) {
    forms.push_back(nested(model));
  }
  if (shape.size() == 3 && shape[0] == 1) {
    forms.push_back(nested(model, 1));  // one channel may be left out
  }
  return any_of(std::move(forms));
}

OpenApiJson examples(const Model& model) {
  std::vector<OpenApiJson> forms = {batch_of(model, flat(model))};
  if (model.input_shape.size() > 1) {
    forms.push_back(batch_of(model, nested(model)));
  }
  return any_of(std::move(forms));
}

OpenApiJson prediction(const Model& model) {
  return naming_the_version(choice(model));
}

OpenApiJson predictions(const Model& model) {
  return naming_the_version(object({{"predictions", list_of(choice(model))}}));
}

OpenApiJson instances(const Model& model) {
  const OpenApiJson schema =
      object({{"instances", examples(model)}, {"signature_name?", OpenApiJson::object()}});
  return with_example(schema, {{"instances", OpenApiJson::array({middle_of(model)})}});
}

OpenApiJson right_label(const Model& model) {
  const auto targets = static_cast<std::int64_t>(model.labels.size());
  if (model.task == Task::regression) {
    OpenApiJson list = list_of_length(fp32(), targets);
    return targets == 1 ? any_of({fp32(), std::move(list)}) : list;
  }
  OpenApiJson labels = model.labels;
  for (const std::string& label : model.labels) {
    const auto number = number_for(label);
    if (number && number->is_number_integer()) {
      labels.push_back(*number);
    }
  }
  return {{"enum", std::move(labels)}};
}

OpenApiJson inference(const Model& model) {
  OpenApiJson inputs = list_of_length(input_tensor(model), 1);
  OpenApiJson outputs = list_of(output_wish(model));
  outputs["maxItems"] = has_label(model) ? 2 : 1;
  OpenApiJson parameters =
      open_object({{"timeout?", whole_number(0)}, {"binary_data_output?", {{"type", "boolean"}}}});
  parameters["description"] = "timeout: in microseconds, until the model begins with the request";
  OpenApiJson schema = object({{"inputs", std::move(inputs)},
                               {"outputs?", std::move(outputs)},
                               {"id?", text()},
                               {"parameters?", std::move(parameters)},
                               {"model_name?", {{"const", model.name}}}});
  return with_example(std::move(schema), {{"inputs", OpenApiJson::array({example_tensor(model)})}});
}

OpenApiJson inference_answer() {
  OpenApiJson output =
      object({{"name", one_of_texts({scores_output, label_output})},
              {"datatype", one_of_texts({"FP32", "BYTES"})},
              {"shape", list_of({{"type", "integer"}})},
              {"data?", list_of({{"type", OpenApiJson::array({"number", "string"})}})},
              {"parameters?", object({{"binary_data_size", {{"type", "integer"}, {"minimum", 0}}}})}});
  return object({{"model_name", text()},
                 {"model_version", text()},
                 {"id?", text()},
                 {"outputs", list_of(std::move(output))}});
}

OpenApiJson middle_of(const Model& model) {
  OpenApiJson values = OpenApiJson::array();
  for (std::size_t i = 0; i < model.values(); ++i) {
    if (i >= model.columns.size()) {
      values.push_back(model.is_image() ? model.least : 0);
    } else if (const Column& column = model.columns[i]; !column.categories.empty()) {
      values.push_back(column.categories.front());
    } else {
      values.push_back(model.network.index_count() ? column.least : (column.least + column.most) / 2);
    }
  }
  return values;
}

OpenApiJson with_example(OpenApiJson schema, OpenApiJson example) {
  schema["examples"] = OpenApiJson::array({std::move(example)});
  return schema;
}

}  // namespace mlpipe::schema
