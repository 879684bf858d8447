#include "server/protocol/v2/describe.hpp"

#include <chrono>
#include <cstdint>

#include "server/protocol/v2/check.hpp"

namespace mlpipe {
namespace {

ProtocolJson tensors_json(const std::vector<TensorDescription>& tensors) {
  ProtocolJson list = ProtocolJson::array();
  for (const TensorDescription& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"datatype", tensor.datatype}, {"shape", tensor.shape}});
  }
  return list;
}

ProtocolJson times_json(std::uint64_t count, std::chrono::nanoseconds time) {
  return {{"count", count}, {"ns", time.count()}};
}

ProtocolJson inference_json(const BatchCounts& counts) {
  constexpr std::chrono::nanoseconds unmeasured{0};
  return {{"success", times_json(counts.requests, counts.answering)},
          {"fail", times_json(counts.failures, unmeasured)},
          {"queue", times_json(counts.requests, counts.queued)},
          {"compute_input", times_json(0, unmeasured)},
          {"compute_infer", times_json(counts.executions, counts.computing)},
          {"compute_output", times_json(0, unmeasured)},
          {"cache_hit", times_json(0, unmeasured)},
          {"cache_miss", times_json(0, unmeasured)}};
}

}  // namespace

ProtocolJson metadata_json(const ModelDescription& model) {
  return {{"name", model.name},
          {"versions", model.versions},
          {"platform", model.platform},
          {"inputs", tensors_json(model.inputs)},
          {"outputs", tensors_json(model.outputs)}};
}

ProtocolJson configuration_json(const ModelVersion& version) {
  const Model& model = version.model();
  const BatchLimits& limits = version.limits();
  ProtocolJson outputs = ProtocolJson::array();
  outputs.push_back({{"name", scores_output}, {"data_type", "TYPE_FP32"}, {"dims", model.output_shape()}});
  if (has_label(model)) {  // one text for each example: nothing is left once the batch is taken away
    outputs.push_back({{"name", label_output},
                       {"data_type", "TYPE_STRING"},
                       {"dims", {1}},
                       {"reshape", {{"shape", ProtocolJson::array()}}}});
  }
  ProtocolJson input = {{"name", model.input_name}, {"data_type", "TYPE_FP32"}, {"dims", model.input_shape}};
  ProtocolJson instances = {{"name", model.name}, {"kind", "KIND_CPU"}, {"count", limits.instances}};
  return {{"name", model.name},
          {"platform", "mlpipe_libtorch"},
          {"backend", "mlpipe"},
          {"max_batch_size", limits.largest_batch},
          {"input", ProtocolJson::array({std::move(input)})},
          {"output", std::move(outputs)},
          {"instance_group", ProtocolJson::array({std::move(instances)})},
          {"dynamic_batching",
           {{"preferred_batch_size", ProtocolJson::array()},
            {"max_queue_delay_microseconds", limits.delay.count()}}}};
}

ProtocolJson statistics_json(const std::vector<VersionStatistics>& statistics) {
  ProtocolJson list = ProtocolJson::array();
  for (const VersionStatistics& each : statistics) {
    const auto last =
        std::chrono::duration_cast<std::chrono::milliseconds>(each.counts.last_answer.time_since_epoch());
    list.push_back({{"name", each.model},
                    {"version", each.version},
                    {"last_inference", last.count()},
                    {"inference_count", each.counts.examples},
                    {"execution_count", each.counts.executions},
                    {"inference_stats", inference_json(each.counts)},
                    {"batch_stats", ProtocolJson::array()}});
  }
  return {{"model_stats", std::move(list)}};
}

Response json_document(const ProtocolJson& document, int status) {
  return {status, "application/json", document.dump(-1, ' ', false, ProtocolJson::error_handler_t::replace)};
}

}  // namespace mlpipe
