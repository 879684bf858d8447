// The protocol's values from and to gRPC's messages; no sockets.
#include <gtest/gtest.h>

#include "server/grpc/messages.hpp"
#include "server/protocol/v2/check.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

ModelInferRequest message_of(const char* datatype) {
  ModelInferRequest message;
  auto& input = *message.add_inputs();
  input.set_name("input");
  input.set_datatype(datatype);
  for (const std::int64_t size : {1, 1, 2, 2}) {
    input.add_shape(size);
  }
  return message;
}

inference::InferTensorContents& contents_of(ModelInferRequest& message) {
  return *message.mutable_inputs(0)->mutable_contents();
}

std::vector<float> rows_of(const ModelInferRequest& message) {
  return check_request(small_model(), read_message(message)).rows;
}

std::string fault_of(const ModelInferRequest& message) {
  try {
    rows_of(message);
  } catch (const RequestError& failure) {
    EXPECT_EQ(failure.status(), 400);
    return failure.what();
  }
  return "";
}

const std::vector<float> expected = {1, 2, 3, 100};

TEST(GrpcMessages, NumbersStandInTheFieldOfTheirType) {
  const auto filled = [](const char* datatype, auto fill) {
    ModelInferRequest message = message_of(datatype);
    for (const int value : {1, 2, 3, 100}) {
      fill(contents_of(message), value);
    }
    return message;
  };
  EXPECT_EQ(rows_of(filled("FP32", [](auto& to, int v) { to.add_fp32_contents(static_cast<float>(v)); })),
            expected);
  EXPECT_EQ(rows_of(filled("FP64", [](auto& to, int v) { to.add_fp64_contents(v); })), expected);
  for (const char* small : {"INT8", "INT16", "INT32"}) {
    EXPECT_EQ(rows_of(filled(small, [](auto& to, int v) { to.add_int_contents(v); })), expected);
  }
  EXPECT_EQ(rows_of(filled("INT64", [](auto& to, int v) { to.add_int64_contents(v); })), expected);
  for (const char* small : {"UINT8", "UINT16", "UINT32"}) {
    EXPECT_EQ(rows_of(filled(small, [](auto& to, int v) { to.add_uint_contents(static_cast<unsigned>(v)); })),
              expected);
  }
  EXPECT_EQ(
      rows_of(filled("UINT64", [](auto& to, int v) { to.add_uint64_contents(static_cast<unsigned>(v)); })),
      expected);
  EXPECT_EQ(fault_of(filled("INT64", [](auto& to, int v) { to.add_int_contents(v); })),
            "inputs[0].contents: INT64 stands in int64_contents, not in int_contents");
  EXPECT_EQ(fault_of(filled("FP32", [](auto& to, int v) { to.add_bool_contents(v == 1); })),
            "inputs[0].contents: FP32 stands in fp32_contents, not in bool_contents");
  EXPECT_EQ(fault_of(filled("INT8", [](auto& to, int v) { to.add_int_contents(v + 100); })),
            "inputs[0].contents[3]: 200 is no INT8");
}

TEST(GrpcMessages, RawContentsAreTheBytes) {
  ModelInferRequest message = message_of("FP32");
  message.add_raw_input_contents(bytes_of<float>(expected));
  EXPECT_EQ(rows_of(message), expected);
  ModelInferRequest wide = message_of("INT16");
  wide.add_raw_input_contents(bytes_of<std::int16_t>({1, 2, 3, 100}));
  EXPECT_EQ(rows_of(wide), expected);
  wide.set_raw_input_contents(0, "123");
  EXPECT_EQ(fault_of(wide), "raw_input_contents[0]: it holds 3 bytes, INT16 of shape [1, 1, 2, 2] take 8");
}

TEST(GrpcMessages, RawAndTypedDoNotMix) {
  ModelInferRequest message = message_of("FP32");
  message.add_raw_input_contents(bytes_of<float>(expected));
  contents_of(message).add_fp32_contents(1);
  EXPECT_EQ(fault_of(message), "inputs[0].contents: it is given beside raw_input_contents, send one of them");
  ModelInferRequest more = message_of("FP32");
  more.add_raw_input_contents("");
  more.add_raw_input_contents("");
  EXPECT_EQ(fault_of(more), "raw_input_contents: 2 are there for 1 inputs");
}

TEST(GrpcMessages, WhatDoesNotFitTheModelIsNamed) {
  EXPECT_EQ(fault_of(ModelInferRequest()), "inputs: 0 were sent, the model takes one, 'input'");
  ModelInferRequest message = message_of("BYTES");
  contents_of(message).add_bytes_contents("1");
  EXPECT_EQ(fault_of(message), "inputs[0].datatype: 'BYTES' was sent, the model takes FP32");
  message = message_of("FP32");
  EXPECT_EQ(fault_of(message), "inputs[0].contents: it is missing");
  contents_of(message).add_fp32_contents(1);
  EXPECT_EQ(fault_of(message), "inputs[0].contents: it holds 4 bytes, FP32 of shape [1, 1, 2, 2] take 16");
  message.mutable_inputs(0)->set_shape(1, -1);
  EXPECT_EQ(fault_of(message), "inputs[0].shape[1]: a whole number from 0 is expected");
  message.mutable_inputs(0)->clear_shape();
  EXPECT_EQ(fault_of(message), "inputs[0].shape: it is missing");
  message.mutable_inputs(0)->clear_name();
  EXPECT_EQ(fault_of(message), "inputs[0].name: it is missing");
  message.add_outputs()->set_name("x");
  EXPECT_EQ(fault_of(message), "outputs[0].name: 'x' is unknown, the outputs are 'scores' and 'label'");
}

TEST(GrpcMessages, ParametersAreRead) {
  ModelInferRequest message = message_of("FP32");
  message.add_raw_input_contents(bytes_of<float>(expected));
  (*message.mutable_parameters())["timeout"].set_uint64_param(7);
  auto& output = *message.add_outputs();
  output.set_name("scores");
  (*output.mutable_parameters())["classification"].set_int64_param(2);
  const CheckedRequest checked = check_request(small_model(), read_message(message));
  EXPECT_EQ(checked.timeout, std::chrono::microseconds(7));
  EXPECT_EQ(checked.wanted.at(0).best, 2U);
  (*message.mutable_parameters())["timeout"].set_string_param("7");
  EXPECT_EQ(fault_of(message), "parameters.timeout: a whole number from 0 is expected");
}

TEST(GrpcMessages, AnswersAreRawOrTyped) {
  const std::vector<float> scores = {0.25F, 0.75F};
  InferAnswer answer{"m", "1", "id", {}};
  answer.outputs.push_back({"scores", "FP32", {1, 2}, std::span<const float>(scores)});
  answer.outputs.push_back({"label", "BYTES", {1}, std::vector<std::string>{"cat"}});
  ModelInferResponse typed;
  write_message(answer, false, typed);
  EXPECT_EQ(typed.id(), "id");
  EXPECT_EQ(typed.outputs(0).contents().fp32_contents(1), 0.75F);
  EXPECT_EQ(typed.outputs(1).contents().bytes_contents(0), "cat");
  EXPECT_EQ(typed.raw_output_contents_size(), 0);
  ModelInferResponse raw;
  write_message(answer, true, raw);
  EXPECT_FALSE(raw.outputs(0).has_contents());
  ASSERT_EQ(raw.raw_output_contents_size(), 2);
  EXPECT_EQ(raw.raw_output_contents(0), bytes_of(scores));
  EXPECT_EQ(raw.raw_output_contents(1), std::string("\3\0\0\0"
                                                    "cat",
                                                    7));
}

TEST(GrpcMessages, FailuresHaveTheirCodes) {
  const std::vector<std::pair<int, grpc::StatusCode>> table = {
      {400, grpc::StatusCode::INVALID_ARGUMENT}, {401, grpc::StatusCode::UNAUTHENTICATED},
      {404, grpc::StatusCode::NOT_FOUND},        {499, grpc::StatusCode::CANCELLED},
      {503, grpc::StatusCode::UNAVAILABLE},      {504, grpc::StatusCode::DEADLINE_EXCEEDED},
      {500, grpc::StatusCode::INTERNAL}};
  for (const auto& [status, code] : table) {
    EXPECT_EQ(status_of({status, "why"}).error_code(), code);
    EXPECT_EQ(status_of({status, "why"}).error_message(), "why");
  }
}

}  // namespace
}  // namespace mlpipe
