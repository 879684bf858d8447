#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/page/page.hpp"
#include "server/protocol/html.hpp"
#include "server/protocol/inference_call.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/picture.hpp"
#include "server/protocol/plain_numbers.hpp"
#include "server/protocol/prediction.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

void append_texts(JsonBuffer& out, const std::vector<std::string>& texts) {
  out.push_back('[');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    append_raw(out, i > 0 ? "," : "");
    append_text(out, texts[i]);
  }
  out.push_back(']');
}

Examples read_data(const Model& model, const std::string& text) {
  const bool takes_numbers_alone =
      std::all_of(model.columns.begin(), model.columns.end(),
                  [](const Column& column) { return column.categories.empty(); });
  if (takes_numbers_alone) {
    if (std::optional<std::vector<float>> values = read_plain_numbers(text, "data", model.values())) {
      require_indices(model, *values, "data");
      return {std::move(*values), 1, false};
    }
  }
  const JsonBody body{std::string_view(text)};
  const auto data = JsonBody::fields(body.object(), "", {"data"})[0];
  if (!data) {
    throw RequestError(400, R"(data: it is missing, send {"data": [numbers]})");
  }
  return read_examples(model, *data, "data");
}

InferenceCall read_prediction(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  require_json_type(request);
  Examples examples = read_data(version->model(), request.body);
  InferenceCall call;
  call.rows = std::move(examples.rows);
  call.count = examples.count;
  call.place = [is_batch = examples.is_batch](std::size_t example) {
    return is_batch ? fmt::format("data[{}]", example) : std::string("data");
  };
  call.write = [version, is_batch = examples.is_batch](const Inference& inference) {
    return write_prediction(*version, is_batch, inference.scores);
  };
  return call;
}

// A picture in place of its values.
InferenceCall read_picture(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  InferenceCall call{picture_example(version->model(), request), {}};
  call.write = [version](const Inference& inference) {
    return write_prediction(*version, false, inference.scores);
  };
  return call;
}

void predict(Engine& engine, const Request& request, const Respond& respond) {
  const std::shared_ptr<const ModelVersion> version = serving_version(engine);
  answer_inference(
      version, request, [&] { return read_prediction(version, request); }, respond);
}

void predict_picture(Engine& engine, const Request& request, const Respond& respond) {
  const std::shared_ptr<const ModelVersion> version = serving_version(engine);
  answer_inference(
      version, request, [&] { return read_picture(version, request); }, respond);
}

// What a form or a drawing area for the model needs to know.
Response describe_model(const Engine& engine, bool takes_feedback) {
  const std::shared_ptr<const ModelVersion> version = engine.current();
  if (!version) {
    throw RequestError(503, "the server is starting and has no model yet, try again");
  }
  const Model& model = version->model();
  JsonBuffer out;
  out.push_back('{');
  append_version(out, *version);
  fmt::format_to(std::back_inserter(out), R"(,"task":"{}","image":{},"shape":[{}],"range":)",
                 task_name(model.task), model.is_image(), fmt::join(model.input_shape, ","));
  append_numbers(out, std::array{model.least, model.most});
  if (const auto indices = model.network.index_count()) {
    fmt::format_to(std::back_inserter(out), R"(,"indices":{})", *indices);
  }
  append_raw(out, R"(,"columns":[)");
  for (std::size_t i = 0; i < model.columns.size(); ++i) {
    append_raw(out, i > 0 ? R"(,{"name":)" : R"({"name":)");
    const Column& column = model.columns[i];
    append_text(out, column.name);
    if (column.categories.empty()) {
      append_raw(out, R"(,"range":)");
      append_numbers(out, std::array{column.least, column.most});
    } else {
      append_raw(out, R"(,"categories":)");
      append_texts(out, column.categories);
    }
    out.push_back('}');
  }
  append_raw(out, R"(],"labels":)");
  append_texts(out, model.labels);
  append_raw(out, takes_feedback ? R"(,"feedback":true})" : R"(,"feedback":false})");
  return json_response(out);
}

// The page with the model's description in it, so that it is complete as soon as it is loaded.
std::string page_with_model(const Engine& engine, bool takes_feedback) {
  constexpr std::string_view opening = R"(<script type="application/json" id="model">)";
  constexpr std::string_view nothing = "null";
  std::string page(page_html());
  std::string described = describe_model(engine, takes_feedback).body;
  for (std::size_t at = 0; (at = described.find('<', at)) != std::string::npos;) {
    described.replace(at, 1, "\\u003c");  // or a label could end the script
  }
  page.replace(page.find(opening) + opening.size(), nothing.size(), described);
  return page;
}

Response show_page(const Engine& engine, bool takes_feedback) {
  return html_response(page_with_model(engine, takes_feedback));
}

}  // namespace

std::vector<Route> predict_routes(Engine& engine, bool takes_feedback) {
  return {{"POST", "/predict",
           [&engine](const Request& request, const PathValues&, const Respond& respond) {
             predict(engine, request, respond);
           },
           operation::predict},
          {"POST", "/predict/",
           [&engine](const Request& request, const PathValues&, const Respond& respond) {
             predict_picture(engine, request, respond);
           },
           operation::predict_picture},
          {"GET", "/model",
           [&engine, takes_feedback](const Request&, const PathValues&) {
             return describe_model(engine, takes_feedback);
           },
           operation::describe_model},
          {"GET", "/",
           [&engine, takes_feedback](const Request&, const PathValues&) {
             return show_page(engine, takes_feedback);
           },
           operation::show_page}};
}

}  // namespace mlpipe
