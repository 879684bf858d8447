#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>

#include "server/protocol/inference_call.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

namespace dom = simdjson::dom;

std::shared_ptr<const ModelVersion> version_at(Engine& engine, const PathValues& path) {
  return serving_version(engine, path[0], path.size() > 1 ? path[1] : "");
}

// The targets of a regression are nothing to choose from.
bool has_label(const Model& model) {
  return model.task != Task::regression;
}

Response describe_server() {
  return {200, "application/json",
          R"({"name":"mlpipe-serve","version":")" MLPIPE_VERSION R"(","extensions":[]})"};
}

Response describe_model(Engine& engine, const PathValues& path) {
  const std::shared_ptr<const ModelVersion> version = version_at(engine, path);
  const Model& model = version->model();
  JsonBuffer out;
  append_raw(out, R"({"name":)");
  append_text(out, model.name);
  append_raw(out, R"(,"versions":[)");
  append_text(out, version->label());
  append_raw(out, R"(],"platform":"mlpipe_libtorch","inputs":[{"name":)");
  append_text(out, model.input_name);
  fmt::format_to(std::back_inserter(out),
                 R"(,"datatype":"FP32","shape":[-1,{}]}}],"outputs":[)"
                 R"({{"name":"scores","datatype":"FP32","shape":[-1,{}]}})",
                 fmt::join(model.input_shape, ","), model.labels.size());
  append_raw(out, has_label(model) ? R"(,{"name":"label","datatype":"BYTES","shape":[-1]}]})" : "]}");
  return json_response(out);
}

Response model_ready(Engine& engine, const PathValues& path) {
  const std::shared_ptr<const ModelVersion> version = version_at(engine, path);
  JsonBuffer out;
  append_raw(out, R"({"name":)");
  append_text(out, version->model().name);
  append_raw(out, R"(,"ready":true})");
  return json_response(out);
}

dom::element required(const JsonField& field, const std::string& name) {
  if (!field) {
    throw RequestError(400, fmt::format("{}: it is missing", name));
  }
  return *field;
}

dom::array required_list(const JsonField& field, const std::string& name) {
  dom::array list;
  if (required(field, name).get(list) != simdjson::SUCCESS) {
    throw RequestError(400, fmt::format("{}: a list is expected", name));
  }
  return list;
}

dom::object object_at(const dom::element& element, const std::string& name) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    throw RequestError(400, fmt::format("{}: an object is expected", name));
  }
  return object;
}

void require_object_if_any(const JsonField& field, const std::string& name) {
  if (field) {
    object_at(*field, name);
  }
}

// The number of examples that a shape announces, when the rest of it is an example of the model.
std::size_t count_in_shape(const Model& model, const dom::array& list) {
  Shape shape;
  for (const dom::element element : list) {
    std::int64_t size = 0;
    if (element.get(size) != simdjson::SUCCESS || size < 0) {
      throw RequestError(400,
                         fmt::format("inputs[0].shape[{}]: a whole number from 0 is expected", shape.size()));
    }
    shape.push_back(size);
    if (shape.size() > model.input_shape.size() + 1) {
      break;
    }
  }
  if (shape.size() != model.input_shape.size() + 1 ||
      !std::equal(model.input_shape.begin(), model.input_shape.end(), shape.begin() + 1)) {
    throw RequestError(400, fmt::format("inputs[0].shape: [{}] does not fit [-1, {}]", fmt::join(shape, ", "),
                                        fmt::join(model.input_shape, ", ")));
  }
  const auto count = static_cast<std::size_t>(shape[0]);
  require_example_count(model, count, "inputs[0].shape[0]");
  return count;
}

struct Input {
  std::vector<float> rows;
  std::size_t count = 0;
};

Input read_input(const Model& model, const dom::array& inputs) {
  if (inputs.size() != 1) {
    throw RequestError(
        400, fmt::format("inputs: {} were sent, the model takes one, '{}'", inputs.size(), model.input_name));
  }
  const dom::object input = object_at(inputs.at(0).value_unsafe(), "inputs[0]");
  const auto fields =
      JsonBody::fields(input, "inputs[0]", {"name", "shape", "datatype", "data", "parameters"});
  const std::string name = read_text(required(fields[0], "inputs[0].name"), "inputs[0].name");
  if (name != model.input_name) {
    throw RequestError(400, fmt::format("inputs[0].name: '{}' is unknown, the model's input is '{}'", name,
                                        model.input_name));
  }
  const std::string datatype = read_text(required(fields[2], "inputs[0].datatype"), "inputs[0].datatype");
  if (datatype != "FP32") {
    throw RequestError(400, fmt::format("inputs[0].datatype: '{}' was sent, the model takes FP32", datatype));
  }
  require_object_if_any(fields[4], "inputs[0].parameters");
  const std::size_t count = count_in_shape(model, required_list(fields[1], "inputs[0].shape"));
  NumberBlock block = read_numbers(required(fields[3], "inputs[0].data"), "inputs[0].data");
  // Flat, or nested as the shape says.
  Shape nested = {static_cast<std::int64_t>(count)};
  nested.insert(nested.end(), model.input_shape.begin(), model.input_shape.end());
  const Shape flat = {static_cast<std::int64_t>(count * model.values())};
  if (block.shape != flat && block.shape != nested) {
    throw RequestError(400, fmt::format("inputs[0].data: its shape is {}, inputs[0].shape says {}",
                                        shape_text(block.shape), shape_text(nested)));
  }
  require_indices(model, block.values, "inputs[0].data");
  return {std::move(block.values), count};
}

struct WantedOutputs {
  bool scores = true;
  bool label = true;
};

WantedOutputs read_outputs(const Model& model, const JsonField& field) {
  const WantedOutputs all{true, has_label(model)};
  if (!field) {
    return all;
  }
  WantedOutputs wanted{false, false};
  std::size_t index = 0;
  for (const dom::element element : required_list(field, "outputs")) {
    const std::string place = fmt::format("outputs[{}]", index++);
    const auto fields = JsonBody::fields(object_at(element, place), place, {"name", "parameters"});
    const std::string name = read_text(required(fields[0], place + ".name"), place + ".name");
    if (fields[1]) {
      const dom::object parameters = object_at(*fields[1], place + ".parameters");
      if (parameters.at_key("classification").error() == simdjson::SUCCESS) {
        throw RequestError(400, place + ".parameters.classification: it is not offered here, take 'label'");
      }
    }
    bool* slot = name == "scores" ? &wanted.scores : name == "label" && all.label ? &wanted.label : nullptr;
    if (slot == nullptr) {
      throw RequestError(400, fmt::format("{}.name: '{}' is unknown, {}", place, name,
                                          all.label ? "the outputs are 'scores' and 'label'"
                                                    : "the only output is 'scores'"));
    }
    if (*slot) {
      throw RequestError(400, fmt::format("{}.name: '{}' is given twice", place, name));
    }
    *slot = true;
  }
  return wanted.scores || wanted.label ? wanted : all;
}

struct InferRequest {
  std::optional<std::string> id;
  WantedOutputs wanted;
  std::size_t count = 0;
};

Response write_inference(const ModelVersion& version, const InferRequest& request,
                         std::span<const float> scores) {
  const Model& model = version.model();
  JsonBuffer out;
  append_raw(out, R"({"model_name":)");
  append_text(out, model.name);
  append_raw(out, R"(,"model_version":)");
  append_text(out, version.label());
  if (request.id) {
    append_raw(out, R"(,"id":)");
    append_text(out, *request.id);
  }
  append_raw(out, R"(,"outputs":[)");
  const std::size_t classes = model.labels.size();
  if (request.wanted.scores) {
    fmt::format_to(std::back_inserter(out), R"({{"name":"scores","datatype":"FP32","shape":[{},{}],"data":)",
                   request.count, classes);
    append_numbers(out, scores);
    append_raw(out, request.wanted.label ? "}," : "}");
  }
  if (request.wanted.label) {
    fmt::format_to(std::back_inserter(out), R"({{"name":"label","datatype":"BYTES","shape":[{}],"data":[)",
                   request.count);
    for (std::size_t i = 0; i < request.count; ++i) {
      append_raw(out, i > 0 ? "," : "");
      append_text(out, model.labels[best_label(scores.subspan(i * classes, classes))]);
    }
    append_raw(out, "]}");
  }
  append_raw(out, "]}");
  return json_response(out);
}

InferenceCall read_inference(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  require_json_type(request);
  if (!request.header("Inference-Header-Content-Length").empty()) {
    throw RequestError(400, "Inference-Header-Content-Length: binary tensors are not spoken here, send JSON");
  }
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"inputs", "outputs", "id", "parameters"});
  InferRequest asked;
  if (fields[2]) {
    asked.id = read_text(*fields[2], "id");
  }
  require_object_if_any(fields[3], "parameters");
  const Model& model = version->model();
  asked.wanted = read_outputs(model, fields[1]);
  Input input = read_input(model, required_list(fields[0], "inputs"));
  asked.count = input.count;
  InferenceCall call;
  call.rows = std::move(input.rows);
  call.count = input.count;
  call.place = [](std::size_t example) { return fmt::format("inputs[0].data: example {}", example); };
  call.write = [version, asked = std::move(asked)](const Inference& inference) {
    return write_inference(*version, asked, inference.scores);
  };
  return call;
}

void infer(Engine& engine, const Request& request, const PathValues& path, const Respond& respond) {
  const std::shared_ptr<const ModelVersion> version = version_at(engine, path);
  answer_inference(
      version, request, [&] { return read_inference(version, request); }, respond);
}

}  // namespace

std::vector<Route> inference_routes(Engine& engine) {
  std::vector<Route> routes = {
      {"GET", "/v2", [](const Request&, const PathValues&) { return describe_server(); }}};
  for (const std::string model : {"/v2/models/{name}", "/v2/models/{name}/versions/{version}"}) {
    routes.push_back({"GET", model, [&engine](const Request&, const PathValues& path) {
                        return describe_model(engine, path);
                      }});
    routes.push_back({"GET", model + "/ready", [&engine](const Request&, const PathValues& path) {
                        return model_ready(engine, path);
                      }});
    routes.push_back({"POST", model + "/infer",
                      [&engine](const Request& request, const PathValues& path, const Respond& respond) {
                        infer(engine, request, path, respond);
                      }});
  }
  return routes;
}

}  // namespace mlpipe
