#include "server/protocol/v2/http_infer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <iterator>
#include <utility>

#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

namespace dom = simdjson::dom;

constexpr const char* length_header = "Inference-Header-Content-Length";

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw RequestError(400, fmt::format("{}: {}", place, what));
}

// The JSON, and the bytes behind it that no tensor has taken yet.
struct Body {
  std::string_view json;
  std::string_view bytes;
  bool has_bytes = false;
};

Body split_body(const Request& request) {
  const std::string_view body = request.body;
  const std::string_view header = request.header(length_header);
  if (header.empty()) {
    return {body, {}, false};
  }
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), length);
  if (error != std::errc() || end != header.data() + header.size()) {
    refuse(length_header, "a whole number of bytes is expected");
  }
  if (length > body.size()) {
    refuse(length_header, fmt::format("it is {}, the body has {} bytes", length, body.size()));
  }
  return {body.substr(0, length), body.substr(length), true};
}

dom::object object_at(const dom::element& element, const std::string& place) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    refuse(place, "an object is expected");
  }
  return object;
}

dom::array list_at(const JsonField& field, const std::string& place) {
  if (!field) {
    refuse(place, "it is missing");
  }
  dom::array list;
  if (field->get(list) != simdjson::SUCCESS) {
    refuse(place, "a list is expected");
  }
  return list;
}

std::string optional_text(const JsonField& field, const std::string& place) {
  return field ? read_text(*field, place) : "";
}

InferParameter read_parameter(const dom::element& element) {
  bool truth = false;
  std::int64_t whole = 0;
  double number = 0;
  std::string_view text;
  if (element.get(truth) == simdjson::SUCCESS) {
    return truth;
  }
  if (element.get(whole) == simdjson::SUCCESS) {
    return whole;
  }
  if (element.get(number) == simdjson::SUCCESS) {
    return number;
  }
  if (element.get(text) == simdjson::SUCCESS) {
    return std::string(text);
  }
  return std::monostate();
}

// Parameters are open to extensions: whoever knows one looks at it.
InferParameters read_parameters(const JsonField& field, const std::string& place) {
  InferParameters parameters;
  if (field) {
    for (const dom::key_value_pair each : object_at(*field, place)) {
      parameters.insert_or_assign(std::string(each.key), read_parameter(each.value));
    }
  }
  return parameters;
}

Shape read_shape(const JsonField& field, const std::string& place) {
  Shape shape;
  if (field) {
    for (const dom::element element : list_at(field, place)) {
      std::int64_t size = 0;
      if (element.get(size) != simdjson::SUCCESS) {
        refuse(fmt::format("{}[{}]", place, shape.size()), "a whole number from 0 is expected");
      }
      shape.push_back(size);
    }
  }
  return shape;
}

// Takes the tensor's bytes off the body.
RawNumbers take_bytes(Body& body, const InferParameters& parameters, Datatype type,
                      const std::string& place) {
  const auto* size = std::get_if<std::int64_t>(&parameters.at("binary_data_size"));
  if (size == nullptr || *size < 0) {
    refuse(place, "a whole number of bytes is expected");
  }
  if (!body.has_bytes) {
    refuse(place, fmt::format("there are no bytes without the header {}", length_header));
  }
  const auto wanted = static_cast<std::size_t>(*size);
  if (wanted > body.bytes.size()) {
    refuse(place, fmt::format("it is {}, the body has {} more bytes", wanted, body.bytes.size()));
  }
  const RawNumbers numbers{type, body.bytes.substr(0, wanted)};
  body.bytes.remove_prefix(wanted);
  return numbers;
}

InferInput read_input(const dom::element& element, Body& body, const std::string& place) {
  const auto fields =
      JsonBody::fields(object_at(element, place), place, {"name", "shape", "datatype", "data", "parameters"});
  InferInput input;
  input.name = optional_text(fields[0], place + ".name");
  input.shape = read_shape(fields[1], place + ".shape");
  input.datatype = optional_text(fields[2], place + ".datatype");
  input.data_place = place + ".data";
  const InferParameters parameters = read_parameters(fields[4], place + ".parameters");
  const std::optional<Datatype> type = datatype_named(input.datatype);
  if (parameters.contains("binary_data_size")) {
    if (fields[3]) {
      refuse(input.data_place, "it is given beside parameters.binary_data_size");
    }
    input.data =
        take_bytes(body, parameters, type.value_or(Datatype::uint8), place + ".parameters.binary_data_size");
  } else if (fields[3] && type) {
    input.data = read_numbers(*fields[3], input.data_place, {},
                              type == Datatype::fp32 ? BetweenFp32::round : BetweenFp32::refuse);
  }
  return input;
}

InferWish read_wish(const dom::element& element, const std::string& place) {
  const auto fields = JsonBody::fields(object_at(element, place), place, {"name", "parameters"});
  return {optional_text(fields[0], place + ".name"), read_parameters(fields[1], place + ".parameters")};
}

// The path names the model; kserve's client says it again.
void require_name(const Model& model, const JsonField& field) {
  if (field && read_text(*field, "model_name") != model.name) {
    refuse("model_name", fmt::format("the path names '{}'", model.name));
  }
}

InferRequest bytes_alone(std::string_view bytes, const Model& model) {
  const std::size_t example = model.values() * sizeof(float);
  if (bytes.empty() || bytes.size() % example != 0) {
    refuse("body", fmt::format("it holds {} bytes, an example takes {}", bytes.size(), example));
  }
  InferInput input{model.input_name, "FP32", {static_cast<std::int64_t>(bytes.size() / example)}, {}, "body"};
  input.shape.insert(input.shape.end(), model.input_shape.begin(), model.input_shape.end());
  input.data = RawNumbers{Datatype::fp32, bytes};
  InferRequest request;
  request.parameters["binary_data_output"] = true;
  request.inputs.push_back(std::move(input));
  return request;
}

void append_output_head(JsonBuffer& out, const InferOutput& output) {
  append_raw(out, R"({"name":)");
  append_text(out, output.name);
  fmt::format_to(std::back_inserter(out), R"(,"datatype":"{}","shape":[{}],)", output.datatype,
                 fmt::join(output.shape, ","));
}

void append_json_data(JsonBuffer& out, const InferOutput& output) {
  append_raw(out, R"("data":)");
  if (const auto* numbers = std::get_if<std::span<const float>>(&output.data)) {
    append_numbers(out, *numbers);
  } else {
    append_raw(out, "[");
    const auto& texts = std::get<std::vector<std::string>>(output.data);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      append_raw(out, i > 0 ? "," : "");
      append_text(out, texts[i]);
    }
    append_raw(out, "]");
  }
}

}  // namespace

InferRequest read_http_infer(const Request& request, const Model& model) {
  require_json_type(request);
  Body body = split_body(request);
  if (body.has_bytes && body.json.empty()) {
    if (media_type(request) == "application/json") {
      throw RequestError(415,
                         fmt::format("Content-Type: it says JSON, and {} that there is none", length_header));
    }
    return bytes_alone(body.bytes, model);
  }
  const JsonBody json(body.json);
  const auto fields =
      JsonBody::fields(json.object(), "", {"inputs", "outputs", "id", "parameters", "model_name"});
  require_name(model, fields[4]);
  InferRequest asked;
  if (fields[2]) {
    asked.id = read_text(*fields[2], "id");
  }
  asked.parameters = read_parameters(fields[3], "parameters");
  if (fields[1]) {
    for (const dom::element element : list_at(fields[1], "outputs")) {
      asked.outputs.push_back(read_wish(element, fmt::format("outputs[{}]", asked.outputs.size())));
    }
  }
  for (const dom::element element : list_at(fields[0], "inputs")) {
    asked.inputs.push_back(read_input(element, body, fmt::format("inputs[{}]", asked.inputs.size())));
  }
  if (!body.bytes.empty()) {
    refuse("body", fmt::format("{} bytes at its end belong to no input", body.bytes.size()));
  }
  return asked;
}

Response write_http_infer(const InferAnswer& answer) {
  JsonBuffer out;
  append_raw(out, R"({"model_name":)");
  append_text(out, answer.model);
  append_raw(out, R"(,"model_version":)");
  append_text(out, answer.version);
  if (answer.id) {
    append_raw(out, R"(,"id":)");
    append_text(out, *answer.id);
  }
  append_raw(out, R"(,"outputs":[)");
  std::size_t binary_size = 0;
  bool has_binary = false;
  for (const InferOutput& output : answer.outputs) {
    append_raw(out, &output == answer.outputs.data() ? "" : ",");
    append_output_head(out, output);
    if (output.is_binary) {
      has_binary = true;
      const std::size_t size = binary_size_of(output);
      binary_size += size;
      fmt::format_to(std::back_inserter(out), R"("parameters":{{"binary_data_size":{}}})", size);
    } else {
      append_json_data(out, output);
    }
    append_raw(out, "}");
  }
  append_raw(out, "]}");
  if (!has_binary) {
    return json_response(out);
  }
  std::string body;
  body.reserve(out.size() + binary_size);
  body.append(out.data(), out.size());
  for (const InferOutput& output : answer.outputs) {
    if (output.is_binary) {
      append_binary(body, output);
    }
  }
  return {200, "application/octet-stream", std::move(body), {{length_header, std::to_string(out.size())}}};
}

}  // namespace mlpipe
