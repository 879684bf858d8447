#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "server/page/page.hpp"
#include "server/protocol/inference_call.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

// Examples as they came, and whether they came as a list of examples or as one.
struct Examples {
  std::vector<float> rows;
  std::size_t count = 0;
  bool is_batch = false;
};

bool is_batch_of(const Shape& shape, const Shape& one) {
  return shape.size() == one.size() + 1 && std::equal(one.begin(), one.end(), shape.begin() + 1);
}

Examples examples_from(const Model& model, NumberBlock block) {
  const Shape flat = {static_cast<std::int64_t>(model.values())};
  const Shape& nested = model.input_shape;
  // A picture with one channel may leave the channel out; a list of such would look like one picture.
  const bool is_plane = nested.size() == 3 && nested[0] == 1;
  const Shape plane = is_plane ? Shape{nested[1], nested[2]} : nested;
  if (block.shape == flat || block.shape == nested) {
    return {std::move(block.values), 1, false};
  }
  if (is_batch_of(block.shape, flat) || is_batch_of(block.shape, nested)) {
    const auto count = static_cast<std::size_t>(block.shape[0]);
    require_example_count(model, count, "data");
    return {std::move(block.values), count, true};
  }
  if (block.shape == plane) {
    return {std::move(block.values), 1, false};
  }
  if (block.values.empty()) {
    throw RequestError(400, "data: it is empty");
  }
  const std::string also = nested == flat ? "" : fmt::format(" or of shape {}", shape_text(nested));
  throw RequestError(
      400, fmt::format("data: its shape is {}, an example has {} numbers{} (or send a list of examples)",
                       shape_text(block.shape), model.values(), also));
}

bool is_number(const std::string& label) {
  const auto digit = [](char character) { return character >= '0' && character <= '9'; };
  const std::size_t start = label.starts_with('-') ? 1 : 0;
  const std::size_t length = label.size() - start;
  return length > 0 && length <= 15 &&
         std::all_of(label.begin() + static_cast<std::ptrdiff_t>(start), label.end(), digit) &&
         (length == 1 || label[start] != '0') && label != "-0";
}

// Labels are written as numbers when all of them are whole numbers, so that a program always meets one type.
bool are_numbers(const std::vector<std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), is_number);
}

// {"prediction":"a","scores":{"a":0.9,"b":0.1}}, and margins in place of scores for an svm, without the
// braces.
void append_choice(JsonBuffer& out, const Model& model, bool numbers, std::span<const float> scores) {
  append_raw(out, R"("prediction":)");
  const std::string& best = model.labels[best_label(scores)];
  numbers ? append_raw(out, best) : append_text(out, best);
  append_raw(out, model.task == Task::svm ? R"(,"margins":{)" : R"(,"scores":{)");
  for (std::size_t i = 0; i < model.labels.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    append_text(out, model.labels[i]);
    out.push_back(':');
    append_number(out, scores[i]);
  }
  out.push_back('}');
}

// {"prediction":3.14}, or a list for several targets, without the braces.
void append_targets(JsonBuffer& out, std::span<const float> targets) {
  append_raw(out, R"("prediction":)");
  if (targets.size() == 1) {
    append_number(out, targets.front());
  } else {
    append_numbers(out, targets);
  }
}

void append_texts(JsonBuffer& out, const std::vector<std::string>& texts) {
  out.push_back('[');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    append_raw(out, i > 0 ? "," : "");
    append_text(out, texts[i]);
  }
  out.push_back(']');
}

void append_version(JsonBuffer& out, const ModelVersion& version) {
  append_raw(out, R"("model":)");
  append_text(out, version.model().name);
  append_raw(out, R"(,"version":)");
  append_text(out, version.label());
}

// The columns, where the innermost lists of an input are rows of them.
std::span<const Column> rows_of_table(const Model& model) {
  return model.input_shape.size() == 1 ? std::span<const Column>(model.columns) : std::span<const Column>();
}

Response write_prediction(const ModelVersion& version, std::size_t count, bool is_batch,
                          std::span<const float> scores) {
  const Model& model = version.model();
  const bool numbers = are_numbers(model.labels);
  JsonBuffer out;
  const auto append_answer = [&](std::size_t example) {
    const auto row = scores.subspan(example * model.labels.size(), model.labels.size());
    model.task == Task::regression ? append_targets(out, row) : append_choice(out, model, numbers, row);
  };
  out.push_back('{');
  if (is_batch) {
    append_raw(out, R"("predictions":[)");
    for (std::size_t i = 0; i < count; ++i) {
      append_raw(out, i > 0 ? ",{" : "{");
      append_answer(i);
      out.push_back('}');
    }
    out.push_back(']');
  } else {
    append_answer(0);
  }
  out.push_back(',');
  append_version(out, version);
  out.push_back('}');
  return json_response(out);
}

InferenceCall read_prediction(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto data = JsonBody::fields(body.object(), "", {"data"})[0];
  if (!data) {
    throw RequestError(400, R"(data: it is missing, send {"data": [numbers]})");
  }
  Examples examples =
      examples_from(version->model(), read_numbers(*data, "data", rows_of_table(version->model())));
  require_indices(version->model(), examples.rows, "data");
  InferenceCall call;
  call.rows = std::move(examples.rows);
  call.count = examples.count;
  call.place = [is_batch = examples.is_batch](std::size_t example) {
    return is_batch ? fmt::format("data[{}]", example) : std::string("data");
  };
  call.write = [version, count = examples.count, is_batch = examples.is_batch](const Inference& inference) {
    return write_prediction(*version, count, is_batch, inference.scores);
  };
  return call;
}

void predict(Engine& engine, const Request& request, const Respond& respond) {
  const std::shared_ptr<const ModelVersion> version = serving_version(engine);
  answer_inference(
      version, request, [&] { return read_prediction(version, request); }, respond);
}

// What a form or a drawing area for the model needs to know.
Response describe_model(const Engine& engine) {
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
  out.push_back('}');
  return json_response(out);
}

// The page with the model's description in it, so that it is complete as soon as it is loaded.
std::string page_with_model(const Engine& engine) {
  constexpr std::string_view opening = R"(<script type="application/json" id="model">)";
  constexpr std::string_view nothing = "null";
  std::string page(page_html());
  std::string described = describe_model(engine).body;
  for (std::size_t at = 0; (at = described.find('<', at)) != std::string::npos;) {
    described.replace(at, 1, "\\u003c");  // or a label could end the script
  }
  page.replace(page.find(opening) + opening.size(), nothing.size(), described);
  return page;
}

Response show_page(const Engine& engine) {
  return {200,
          "text/html; charset=utf-8",
          page_with_model(engine),
          {{"Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
           {"X-Content-Type-Options", "nosniff"},
           {"Cache-Control", "no-cache"}}};
}

}  // namespace

std::vector<Route> predict_routes(Engine& engine) {
  return {{"POST", "/predict",
           [&engine](const Request& request, const PathValues&, const Respond& respond) {
             predict(engine, request, respond);
           }},
          {"GET", "/model", [&engine](const Request&, const PathValues&) { return describe_model(engine); }},
          {"GET", "/", [&engine](const Request&, const PathValues&) { return show_page(engine); }}};
}

}  // namespace mlpipe
