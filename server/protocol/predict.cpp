#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "server/page/page.hpp"
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

void append_prediction(JsonBuffer& out, const std::vector<std::string>& labels, bool numbers,
                       std::span<const float> scores) {
  append_raw(out, R"("prediction":)");
  const std::string& best = labels[best_label(scores)];
  numbers ? append_raw(out, best) : append_text(out, best);
  append_raw(out, R"(,"scores":{)");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    append_text(out, labels[i]);
    out.push_back(':');
    append_number(out, scores[i]);
  }
  out.push_back('}');
}

void append_version(JsonBuffer& out, const ModelVersion& version) {
  append_raw(out, R"("model":)");
  append_text(out, version.model().name);
  append_raw(out, R"(,"version":)");
  append_text(out, version.label());
}

Response answer_prediction(const ModelVersion& version, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto data = JsonBody::fields(body.object(), "", {"data"})[0];
  if (!data) {
    throw RequestError(400, R"(data: it is missing, send {"data": [numbers]})");
  }
  const Examples examples = examples_from(version.model(), read_numbers(*data, "data"));
  std::vector<float> scores;
  try {
    scores = version.predict(examples.rows, examples.count);
  } catch (const UnscorableExample& failure) {
    const std::string place = examples.is_batch ? fmt::format("data[{}]", failure.index()) : "data";
    throw RequestError(400, fmt::format("{}: {}: {}", place, failure.what(), failure.hint()));
  }
  const std::vector<std::string>& labels = version.model().labels;
  const bool numbers = are_numbers(labels);
  JsonBuffer out;
  out.push_back('{');
  if (examples.is_batch) {
    append_raw(out, R"("predictions":[)");
    for (std::size_t i = 0; i < examples.count; ++i) {
      append_raw(out, i > 0 ? ",{" : "{");
      append_prediction(out, labels, numbers, std::span(scores).subspan(i * labels.size(), labels.size()));
      out.push_back('}');
    }
    out.push_back(']');
  } else {
    append_prediction(out, labels, numbers, scores);
  }
  out.push_back(',');
  append_version(out, version);
  out.push_back('}');
  return json_response(out);
}

Response predict(const Engine& engine, const Request& request) {
  const std::shared_ptr<const ModelVersion> version = serving_version(engine);
  try {
    return answer_prediction(*version, request);
  } catch (...) {
    version->count_failure();
    throw;
  }
}

// What a form or a drawing area for the model needs to know.
Response describe_model(const Engine& engine) {
  const std::shared_ptr<const ModelVersion> version = serving_version(engine);
  const Model& model = version->model();
  JsonBuffer out;
  out.push_back('{');
  append_version(out, *version);
  fmt::format_to(std::back_inserter(out), R"(,"task":"{}","image":{},"shape":[{}],"range":)",
                 task_name(model.task), model.is_image(), fmt::join(model.input_shape, ","));
  append_numbers(out, std::array{model.least, model.most});
  append_raw(out, R"(,"columns":[)");
  for (std::size_t i = 0; i < model.columns.size(); ++i) {
    append_raw(out, i > 0 ? R"(,{"name":)" : R"({"name":)");
    append_text(out, model.columns[i].name);
    append_raw(out, R"(,"range":)");
    append_numbers(out, std::array{model.columns[i].least, model.columns[i].most});
    out.push_back('}');
  }
  append_raw(out, R"(],"labels":[)");
  for (std::size_t i = 0; i < model.labels.size(); ++i) {
    append_raw(out, i > 0 ? "," : "");
    append_text(out, model.labels[i]);
  }
  append_raw(out, "]}");
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
           [&engine](const Request& request, const PathValues&) { return predict(engine, request); }},
          {"GET", "/model", [&engine](const Request&, const PathValues&) { return describe_model(engine); }},
          {"GET", "/", [&engine](const Request&, const PathValues&) { return show_page(engine); }}};
}

}  // namespace mlpipe
