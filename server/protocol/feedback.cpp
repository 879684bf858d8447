#include "server/protocol/feedback.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/prediction.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/url.hpp"

namespace mlpipe {
namespace {

namespace dom = simdjson::dom;

// A label as text, whether it came as one or as the whole number that is spelled like it.
std::string class_in(const Model& model, const dom::element& element) {
  std::int64_t number = 0;
  const std::string label =
      element.get(number) == simdjson::SUCCESS ? std::to_string(number) : read_text(element, "label");
  if (std::find(model.labels.begin(), model.labels.end(), label) == model.labels.end()) {
    throw RequestError(
        400, fmt::format("label: '{}' is none of the labels of '{}'", label.substr(0, 100), model.name));
  }
  return label;
}

std::vector<std::string> targets_in(const Model& model, const dom::element& element) {
  std::vector<float> values;
  double one = 0;
  if (element.get(one) == simdjson::SUCCESS) {
    if (std::abs(one) > static_cast<double>(std::numeric_limits<float>::max())) {
      throw RequestError(400, fmt::format("label: {} is beyond what FP32 holds", one));
    }
    values = {static_cast<float>(one)};
  } else {
    values = read_numbers(element, "label").values;
  }
  if (values.size() != model.labels.size()) {
    throw RequestError(400, fmt::format("label: {} numbers were sent, the model has {} targets",
                                        values.size(), model.labels.size()));
  }
  std::vector<std::string> texts;
  for (const float value : values) {
    texts.push_back(number_text(value));
  }
  return texts;
}

const dom::element& required(const JsonField& field, const char* name) {
  if (!field) {
    throw RequestError(400, fmt::format("{}: it is missing", name));
  }
  return *field;
}

// The model that feedback is about must be loaded: its labels are checked.
std::shared_ptr<const ModelVersion> loaded_model(const Engine& engine, const std::string& name) {
  const EngineState state = engine.state();
  for (const ServedModel& model : state.models) {
    if (name.empty() || model.name == name) {
      return model.main();
    }
  }
  throw RequestError(state.models.empty() ? 503 : 404,
                     state.models.empty() ? "the server is starting and has no model yet, try again"
                                          : fmt::format("model: there is no '{}' here", name.substr(0, 100)));
}

Feedback read_feedback(const Engine& engine, const RecentExamples& recent, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"request_id", "data", "model", "label"});
  if (fields[0].has_value() == fields[1].has_value()) {
    throw RequestError(400, "request_id: one of request_id and data is expected");
  }
  Feedback feedback;
  if (fields[0]) {
    if (fields[2]) {
      throw RequestError(400, "model: the request with that id says which model it asked");
    }
    const std::string id = read_text(*fields[0], "request_id");
    std::optional<AnsweredExample> example = recent.find(id);
    if (!example) {
      throw RequestError(404,
                         fmt::format("request_id: '{}' is none of the latest requests with one example, send "
                                     "its data",
                                     id.substr(0, 100)));
    }
    feedback = {std::move(example->model), std::move(example->version), std::move(example->values), {}};
  }
  const std::shared_ptr<const ModelVersion> version =
      loaded_model(engine, fields[0]   ? feedback.model
                           : fields[2] ? read_text(*fields[2], "model")
                                       : "");
  const Model& model = version->model();
  if (fields[1]) {
    Examples examples = read_examples(model, *fields[1], "data");
    if (examples.count != 1) {
      throw RequestError(400, "data: one example is expected");
    }
    feedback = {model.name, "", std::move(examples.rows), {}};
  } else if (feedback.values.size() != model.values()) {
    throw RequestError(409, "request_id: the model was replaced by one of another shape, send the data");
  }
  const dom::element& label = required(fields[3], "label");
  feedback.labels =
      model.task == Task::regression ? targets_in(model, label) : std::vector{class_in(model, label)};
  return feedback;
}

Response answer_of(FeedbackLog::Outcome outcome, const FeedbackLog& log) {
  if (outcome == FeedbackLog::Outcome::full) {
    return error_response(507, fmt::format("{} examples of feedback are kept, and no more: export them, and "
                                           "start with another folder",
                                           log.entries()));
  }
  const bool stored = outcome == FeedbackLog::Outcome::stored;
  return {200, "application/json", stored ? R"({"stored":true})" : R"({"stored":false})"};
}

// Answers once it is on disk.
void take_feedback(const Engine& engine, const FeedbackDesk& desk, const Request& request,
                   const Respond& respond) {
  const bool taken = desk.writer->write(
      read_feedback(engine, *desk.recent, request),
      [log = desk.log, respond](const std::exception_ptr& failure, FeedbackLog::Outcome outcome) {
        respond(failure ? response_to(failure, "/feedback") : answer_of(outcome, *log));
      });
  if (!taken) {
    throw RequestError(503, "feedback: too much of it waits to be written, try again");
  }
}

// RFC 4180.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char character : text) {
    quoted += character == '"' ? std::string("\"\"") : std::string(1, character);
  }
  return quoted + "\"";
}

// The columns as training had them, or "v0", "v1", … for what had no names.
std::string csv_header(const Model& model, const std::string& target) {
  std::string header;
  for (std::size_t i = 0; i < model.values(); ++i) {
    header +=
        model.columns.size() == model.values() ? csv_field(model.columns[i].name) : fmt::format("v{}", i);
    header += ',';
  }
  if (model.task != Task::regression) {
    return header + csv_field(target) + "\n";
  }
  for (std::size_t i = 0; i < model.labels.size(); ++i) {
    header += (i > 0 ? "," : "") + csv_field(model.labels[i]);
  }
  return header + "\n";
}

std::string csv_row(const Model& model, const Feedback& feedback) {
  std::string row;
  for (std::size_t i = 0; i < feedback.values.size(); ++i) {
    const float value = feedback.values[i];
    const bool is_category = model.columns.size() == model.values() && !model.columns[i].categories.empty();
    row += is_category ? csv_field(model.columns[i].categories.at(static_cast<std::size_t>(value)))
                       : number_text(value);
    row += ',';
  }
  for (std::size_t i = 0; i < feedback.labels.size(); ++i) {
    row += (i > 0 ? "," : "") + csv_field(feedback.labels[i]);
  }
  return row + "\n";
}

// Whether it still fits the model that serves: another release may have other columns or labels.
bool fits(const Model& model, const Feedback& feedback) {
  if (feedback.values.size() != model.values() ||
      feedback.labels.size() != (model.task == Task::regression ? model.labels.size() : 1)) {
    return false;
  }
  for (std::size_t i = 0; i < std::min(model.columns.size(), model.values()); ++i) {
    const auto count = static_cast<float>(model.columns[i].categories.size());
    if (count > 0 && (feedback.values[i] < 0 || feedback.values[i] >= count)) {
      return false;
    }
  }
  return true;
}

Response export_feedback(const Engine& engine, const FeedbackDesk& desk, const Request& request) {
  const std::shared_ptr<const ModelVersion> version = loaded_model(engine, query_value(request, "model"));
  const std::string target = query_value(request, "target");
  const Model& model = version->model();
  std::string csv = csv_header(model, target.empty() ? "label" : target);
  for (const Feedback& feedback : desk.log->read(model.name)) {
    if (fits(model, feedback)) {
      csv += csv_row(model, feedback);
    }
  }
  return {200, "text/csv; charset=utf-8", std::move(csv)};
}

}  // namespace

std::vector<Route> feedback_routes(Engine& engine, FeedbackDesk desk) {
  return {
      {"POST", "/feedback",
       [&engine, desk = std::move(desk)](const Request& request, const PathValues&, const Respond& respond) {
         take_feedback(engine, desk, request, respond);
       },
       operation::feedback}};
}

std::vector<Route> feedback_export_routes(Engine& engine, FeedbackDesk desk) {
  return {{"GET", "/admin/feedback",
           [&engine, desk = std::move(desk)](const Request& request, const PathValues&) {
             return export_feedback(engine, desk, request);
           }}};
}

}  // namespace mlpipe
