#include "server/grpc/messages.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

namespace mlpipe {
namespace {

using inference::InferTensorContents;
using ParameterMap = google::protobuf::Map<std::string, inference::InferParameter>;

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw RequestError(400, fmt::format("{}: {}", place, what));
}

InferParameter parameter_of(const inference::InferParameter& message) {
  switch (message.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam:
      return message.bool_param();
    case inference::InferParameter::kInt64Param:
      return std::int64_t{message.int64_param()};
    case inference::InferParameter::kStringParam:
      return message.string_param();
    case inference::InferParameter::kDoubleParam:
      return message.double_param();
    case inference::InferParameter::kUint64Param:
      return message.uint64_param() <= std::numeric_limits<std::int64_t>::max()
                 ? InferParameter(static_cast<std::int64_t>(message.uint64_param()))
                 : InferParameter(static_cast<double>(message.uint64_param()));
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return std::monostate();
}

InferParameters parameters_of(const ParameterMap& messages) {
  InferParameters parameters;
  for (const auto& [name, value] : messages) {
    parameters.emplace(name, parameter_of(value));
  }
  return parameters;
}

// One of the fields that values can stand in.
struct Field {
  const char* name;
  std::optional<Datatype> stored;  // nothing: no model takes these
  int count;
  std::string_view bytes;
};

template <class Values>
Field field(const char* name, Datatype stored, const Values& values) {
  const char* bytes = reinterpret_cast<const char*>(values.data());
  return {name, stored, values.size(), {bytes, static_cast<std::size_t>(values.size()) * sizeof(values[0])}};
}

std::array<Field, 8> fields_of(const InferTensorContents& contents) {
  return {field("fp32_contents", Datatype::fp32, contents.fp32_contents()),
          field("fp64_contents", Datatype::fp64, contents.fp64_contents()),
          field("int_contents", Datatype::int32, contents.int_contents()),
          field("int64_contents", Datatype::int64, contents.int64_contents()),
          field("uint_contents", Datatype::uint32, contents.uint_contents()),
          field("uint64_contents", Datatype::uint64, contents.uint64_contents()),
          Field{"bool_contents", std::nullopt, contents.bool_contents_size(), {}},
          Field{"bytes_contents", std::nullopt, contents.bytes_contents_size(), {}}};
}

// The small integers stand in wider fields.
Datatype stored_as(Datatype type) {
  switch (type) {
    case Datatype::int8:
    case Datatype::int16:
      return Datatype::int32;
    case Datatype::uint8:
    case Datatype::uint16:
      return Datatype::uint32;
    default:
      return type;
  }
}

RawNumbers numbers_in(const InferTensorContents& contents, Datatype type, const std::string& place) {
  const Datatype stored = stored_as(type);
  const std::array<Field, 8> fields = fields_of(contents);
  const auto own = std::find_if(fields.begin(), fields.end(),
                                [stored](const Field& each) { return each.stored == stored; });
  for (const Field& each : fields) {
    if (each.count > 0 && &each != own) {
      refuse(place, fmt::format("{} stands in {}, not in {}", entry_of(type).name, own->name, each.name));
    }
  }
  return {stored, own->bytes};
}

// The values of the input at `index`, raw or typed.
void take_data(const inference::ModelInferRequest& message, int index, InferInput& input) {
  const inference::ModelInferRequest::InferInputTensor& tensor = message.inputs(index);
  const std::optional<Datatype> type = datatype_named(input.datatype);
  if (message.raw_input_contents_size() > 0) {
    if (tensor.has_contents()) {
      refuse(fmt::format("inputs[{}].contents", index),
             "it is given beside raw_input_contents, send one of them");
    }
    input.data_place = fmt::format("raw_input_contents[{}]", index);
    input.data = RawNumbers{type.value_or(Datatype::uint8), message.raw_input_contents(index)};
    return;
  }
  input.data_place = fmt::format("inputs[{}].contents", index);
  if (tensor.has_contents() && type) {
    input.data = numbers_in(tensor.contents(), *type, input.data_place);
  }
}

void write_output(const InferOutput& output, bool is_raw, inference::ModelInferResponse& message) {
  inference::ModelInferResponse::InferOutputTensor& tensor = *message.add_outputs();
  tensor.set_name(output.name);
  tensor.set_datatype(std::string(output.datatype));
  tensor.mutable_shape()->Add(output.shape.begin(), output.shape.end());
  if (is_raw) {
    std::string& bytes = *message.add_raw_output_contents();
    bytes.reserve(binary_size_of(output));
    append_binary(bytes, output);
  } else if (const auto* numbers = std::get_if<std::span<const float>>(&output.data)) {
    tensor.mutable_contents()->mutable_fp32_contents()->Add(numbers->begin(), numbers->end());
  } else {
    for (const std::string& text : std::get<std::vector<std::string>>(output.data)) {
      tensor.mutable_contents()->add_bytes_contents(text);
    }
  }
}

void write_tensor(const TensorDescription& tensor,
                  inference::ModelMetadataResponse::TensorMetadata& message) {
  message.set_name(tensor.name);
  message.set_datatype(tensor.datatype);
  message.mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
}

void write_times(std::uint64_t count, std::chrono::nanoseconds time, inference::StatisticDuration& message) {
  message.set_count(count);
  message.set_ns(static_cast<std::uint64_t>(time.count()));
}

}  // namespace

InferRequest read_message(const inference::ModelInferRequest& message) {
  if (message.raw_input_contents_size() > 0 && message.raw_input_contents_size() != message.inputs_size()) {
    refuse("raw_input_contents", fmt::format("{} are there for {} inputs", message.raw_input_contents_size(),
                                             message.inputs_size()));
  }
  InferRequest request;
  if (!message.id().empty()) {
    request.id = message.id();
  }
  request.parameters = parameters_of(message.parameters());
  for (const auto& output : message.outputs()) {
    request.outputs.push_back({output.name(), parameters_of(output.parameters())});
  }
  for (int i = 0; i < message.inputs_size(); ++i) {
    const auto& tensor = message.inputs(i);
    InferInput input;
    input.name = tensor.name();
    input.datatype = tensor.datatype();
    input.shape.assign(tensor.shape().begin(), tensor.shape().end());
    take_data(message, i, input);
    request.inputs.push_back(std::move(input));
  }
  return request;
}

void write_message(const InferAnswer& answer, bool is_raw, inference::ModelInferResponse& message) {
  message.set_model_name(answer.model);
  message.set_model_version(answer.version);
  message.set_id(answer.id.value_or(""));
  for (const InferOutput& output : answer.outputs) {
    write_output(output, is_raw, message);
  }
}

void write_message(const ModelDescription& model, inference::ModelMetadataResponse& message) {
  message.set_name(model.name);
  message.set_platform(model.platform);
  for (const std::string& version : model.versions) {
    message.add_versions(version);
  }
  for (const TensorDescription& tensor : model.inputs) {
    write_tensor(tensor, *message.add_inputs());
  }
  for (const TensorDescription& tensor : model.outputs) {
    write_tensor(tensor, *message.add_outputs());
  }
}

void write_message(const std::vector<VersionStatistics>& statistics,
                   inference::ModelStatisticsResponse& message) {
  for (const VersionStatistics& each : statistics) {
    const BatchCounts& counts = each.counts;
    inference::ModelStatistics& version = *message.add_model_stats();
    version.set_name(each.model);
    version.set_version(each.version);
    version.set_last_inference(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(counts.last_answer.time_since_epoch())
            .count()));
    version.set_inference_count(counts.examples);
    version.set_execution_count(counts.executions);
    inference::InferStatistics& times = *version.mutable_inference_stats();
    write_times(counts.requests, counts.answering, *times.mutable_success());
    write_times(counts.failures, std::chrono::nanoseconds(0), *times.mutable_fail());
    write_times(counts.requests, counts.queued, *times.mutable_queue());
    write_times(counts.executions, counts.computing, *times.mutable_compute_infer());
  }
}

grpc::Status status_of(const Failure& failure) {
  const auto code = [&failure] {
    switch (failure.status) {
      case 400:
        return grpc::StatusCode::INVALID_ARGUMENT;
      case 401:
        return grpc::StatusCode::UNAUTHENTICATED;
      case 404:
        return grpc::StatusCode::NOT_FOUND;
      case 499:
        return grpc::StatusCode::CANCELLED;
      case 503:
        return grpc::StatusCode::UNAVAILABLE;
      case 504:
        return grpc::StatusCode::DEADLINE_EXCEEDED;
      default:
        return grpc::StatusCode::INTERNAL;
    }
  };
  return {code(), failure.message};
}

std::string_view name_of(grpc::StatusCode code) {
  static constexpr std::array<std::string_view, 17> names = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  const auto place = static_cast<std::size_t>(code);
  return place < names.size() ? names[place] : "UNKNOWN";
}

}  // namespace mlpipe
