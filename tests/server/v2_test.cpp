// The Open Inference Protocol v2: its core, and its forms over HTTP.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "server/protocol/input.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/check.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

template <class Value>
InferRequest raw_request(const char* datatype, Datatype stored, const std::vector<Value>& values,
                         std::string& bytes) {
  bytes = bytes_of(values);
  InferRequest request;
  request.inputs.push_back({"input", datatype, {1, 1, 2, 2}, RawNumbers{stored, bytes}, "data"});
  return request;
}

template <class Value>
std::vector<float> rows_of(const char* datatype, const std::vector<Value>& values) {
  std::string bytes;
  return check_request(small_model(), raw_request(datatype, datatype_named(datatype).value(), values, bytes))
      .rows;
}

std::string fault_of(InferRequest request, const Model& model = small_model()) {
  try {
    check_request(model, std::move(request));
  } catch (const RequestError& failure) {
    EXPECT_EQ(failure.status(), 400);
    return failure.what();
  }
  return "";
}

template <class Value>
std::string fault_of_raw(const char* datatype, const std::vector<Value>& values) {
  std::string bytes;
  return fault_of(raw_request(datatype, datatype_named(datatype).value(), values, bytes));
}

TEST(V2Datatypes, AreTakenWhereFp32HasTheirValues) {
  const std::vector<float> expected = {1, 0, 7, 100};
  EXPECT_EQ(rows_of<float>("FP32", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<double>("FP64", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::int8_t>("INT8", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::int16_t>("INT16", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::int32_t>("INT32", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::int64_t>("INT64", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::uint8_t>("UINT8", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::uint16_t>("UINT16", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::uint32_t>("UINT32", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::uint64_t>("UINT64", {1, 0, 7, 100}), expected);
  EXPECT_EQ(rows_of<std::int8_t>("INT8", {-128, -1, 0, 1}), (std::vector<float>{-128, -1, 0, 1}));
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(rows_of<std::int64_t>("INT64", {least, 1LL << 62, 16777216, -16777216})[0], -0x1p63F);
  EXPECT_EQ(rows_of<std::uint64_t>("UINT64", {1ULL << 63, 0, 0, 0})[0], 0x1p63F);
  EXPECT_EQ(rows_of<double>("FP64", {0.5, 0x1p-149, -0.0, 0x1.fffffep127})[1], 0x1p-149F);
}

TEST(V2Datatypes, NoValueIsChangedSilently) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(fault_of_raw<float>("FP32", {0, 0, nan, 0}), "data[2]: it is nan, a finite number is expected");
  EXPECT_EQ(fault_of_raw<double>("FP64", {0, -infinity, 0, 0}),
            "data[1]: it is -inf, a finite number is expected");
  EXPECT_EQ(fault_of_raw<double>("FP64", {0.1, 0, 0, 0}),
            "data[0]: 0.1 is no number of FP32, which the model computes with");
  EXPECT_EQ(fault_of_raw<double>("FP64", {1e39, 0, 0, 0}), "data[0]: 1e+39 is beyond what FP32 holds");
  EXPECT_EQ(fault_of_raw<std::int32_t>("INT32", {0, 0, 0, 16777217}),
            "data[3]: 16777217 is no number of FP32, which the model computes with");
  EXPECT_EQ(fault_of_raw<std::uint32_t>("UINT32", {0, 4294967295U, 0, 0}),
            "data[1]: 4294967295 is no number of FP32, which the model computes with");
  EXPECT_EQ(fault_of_raw<std::int64_t>("INT64", {std::numeric_limits<std::int64_t>::max(), 0, 0, 0}),
            "data[0]: 9223372036854775807 is no number of FP32, which the model computes with");
  EXPECT_EQ(fault_of_raw<std::uint64_t>("UINT64", {0, 0, std::numeric_limits<std::uint64_t>::max(), 0}),
            "data[2]: 18446744073709551615 is no number of FP32, which the model computes with");
}

TEST(V2Datatypes, WhatLiesInWiderNumbersKeepsToItsOwnRange) {
  std::string bytes;
  const auto fault = [&bytes](const char* datatype, std::int32_t value) {
    return fault_of(raw_request<std::int32_t>(datatype, Datatype::int32, {0, value, 0, 0}, bytes));
  };
  EXPECT_EQ(fault("INT8", -128), "");
  EXPECT_EQ(fault("INT8", 128), "data[1]: 128 is no INT8");
  EXPECT_EQ(fault("INT8", -129), "data[1]: -129 is no INT8");
  EXPECT_EQ(fault("UINT8", -1), "data[1]: -1 is no UINT8");
  EXPECT_EQ(fault("UINT8", 256), "data[1]: 256 is no UINT8");
  EXPECT_EQ(fault("INT16", 32768), "data[1]: 32768 is no INT16");
}

TEST(V2Check, TheBytesAreAsManyAsTheShapeSays) {
  EXPECT_EQ(fault_of_raw<float>("FP32", {1, 2, 3}),
            "data: it holds 12 bytes, FP32 of shape [1, 1, 2, 2] take 16");
  EXPECT_EQ(fault_of_raw<float>("FP32", {1, 2, 3, 4, 5}),
            "data: it holds 20 bytes, FP32 of shape [1, 1, 2, 2] take 16");
  EXPECT_EQ(fault_of_raw<std::uint8_t>("FP64", {1}),
            "data: it holds 1 bytes, FP64 of shape [1, 1, 2, 2] take 32");
  EXPECT_EQ(fault_of_raw<float>("INT64", {}), "data: it holds 0 bytes, INT64 of shape [1, 1, 2, 2] take 32");
}

TEST(V2Check, ShapesThatOverflowAreRefused) {
  std::string bytes;
  for (const std::int64_t size : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    InferRequest request = raw_request<float>("FP32", Datatype::fp32, {1, 2, 3, 4}, bytes);
    request.inputs[0].shape = {1, size, 2, 2};
    EXPECT_EQ(fault_of(std::move(request)), "inputs[0].shape[1]: a whole number from 0 is expected");
  }
  for (const std::int64_t size : {std::int64_t{1} << 62, std::int64_t{1} << 60, std::int64_t{16385}}) {
    InferRequest request = raw_request<float>("FP32", Datatype::fp32, {1, 2, 3, 4}, bytes);
    request.inputs[0].shape = {size, 1, 2, 2};
    EXPECT_TRUE(fault_of(std::move(request)).starts_with("inputs[0].shape[0]: it holds ")) << size;
  }
}

TEST(V2Check, CategoriesAreIndices) {
  const Model model = table_with_colours(Task::classification, {"a", "b"});
  const std::string good = bytes_of<std::int32_t>({5, 2});
  const std::string bad = bytes_of<std::int32_t>({5, 3});
  const auto request = [](const std::string& bytes) {
    InferRequest made;
    made.inputs.push_back({"input", "INT32", {1, 2}, RawNumbers{Datatype::int32, bytes}, "data"});
    return made;
  };
  EXPECT_EQ(fault_of(request(good), model), "");
  EXPECT_EQ(fault_of(request(bad), model), "data: example 0, value 1: 3 is no whole number from -1 to 2");
}

// ---- over HTTP ----

class V2Http : public testing::Test {
 protected:
  explicit V2Http(Model model = small_model())
      : engine_(loader_of(std::move(model), first_value_wins)), public_(public_router(engine_, metrics_)) {
    engine_.load("/models/small", "7");
  }

  Response get(const std::string& path) const { return ask(public_, {"GET", path, "", {}, ""}); }
  Response infer(const Json& header, const std::string& bytes, bool is_binary = true) const {
    const std::string json = header.dump();
    std::vector<Header> headers;
    if (is_binary) {
      headers.push_back({"Inference-Header-Content-Length", std::to_string(json.size())});
      headers.push_back({"Content-Type", "application/octet-stream"});
    }
    return ask(public_, {"POST", "/v2/models/small/infer", "", headers, json + bytes});
  }
  Response infer_bytes(const std::string& length, const std::string& body) const {
    return ask(public_,
               {"POST", "/v2/models/small/infer", "", {{"inference-header-content-length", length}}, body});
  }

  Engine engine_;
  Metrics metrics_;
  Router public_;
};

Json binary_input(std::size_t size, int examples = 1, const char* datatype = "FP32") {
  return {{"name", "input"},
          {"datatype", datatype},
          {"shape", {examples, 1, 2, 2}},
          {"parameters", {{"binary_data_size", size}}}};
}

std::string error_in(const Response& response) {
  return Json::parse(response.body).at("error");
}

// The JSON of an answer and the bytes behind it.
std::pair<Json, std::string> parts_of(const Response& response) {
  for (const Header& header : response.headers) {
    if (header.name == "Inference-Header-Content-Length") {
      const std::size_t length = std::stoul(header.value);
      return {Json::parse(response.body.substr(0, length)), response.body.substr(length)};
    }
  }
  return {Json::parse(response.body), ""};
}

TEST_F(V2Http, TensorsGoBothWaysAsBytes) {
  const std::string bytes = bytes_of<float>({1, 0, 0, 0, 2, 0, 0, 0});
  const Response response =
      infer({{"id", "x"}, {"parameters", {{"binary_data_output", true}}}, {"inputs", {binary_input(32, 2)}}},
            bytes);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/octet-stream");
  const auto [header, data] = parts_of(response);
  EXPECT_EQ(header, Json::parse(R"({"model_name": "small", "model_version": "7", "id": "x", "outputs": [
    {"name": "scores", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}},
    {"name": "label", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 10}}]})"));
  EXPECT_EQ(data, bytes_of<float>({0.25F, 0.5F, 0.25F, 0.25F, 0.25F, 0.5F}) + std::string("\1\0\0\0"
                                                                                          "1"
                                                                                          "\1\0\0\0"
                                                                                          "2",
                                                                                          10));
}

TEST_F(V2Http, EachOutputSaysForItself) {
  const std::string bytes = bytes_of<float>({1, 0, 0, 0});
  const Response mixed = infer(
      {{"inputs", {binary_input(16)}},
       {"outputs", {{{"name", "label"}}, {{"name", "scores"}, {"parameters", {{"binary_data", true}}}}}}},
      bytes);
  ASSERT_EQ(mixed.status, 200) << mixed.body;
  const auto [header, data] = parts_of(mixed);
  EXPECT_EQ(header.at("outputs"), Json::parse(R"([
    {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["1"]},
    {"name": "scores", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": 12}}])"));
  EXPECT_EQ(data, bytes_of<float>({0.25F, 0.5F, 0.25F}));
  const Response json = infer({{"parameters", {{"binary_data_output", true}}},
                               {"inputs", {binary_input(16)}},
                               {"outputs", {{{"name", "label"}, {"parameters", {{"binary_data", false}}}}}}},
                              bytes);
  EXPECT_EQ(json.content_type, "application/json");
  EXPECT_EQ(json.body, R"({"model_name":"small","model_version":"7","outputs":[)"
                       R"({"name":"label","datatype":"BYTES","shape":[1],"data":["1"]}]})");
}

TEST_F(V2Http, BytesAloneAreTheInput) {
  const Response response = infer_bytes("0", bytes_of<float>({1, 0, 0, 0, 2, 0, 0, 0}));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(parts_of(response).first.at("outputs")[0].at("shape"), Json::parse("[2, 3]"));
  EXPECT_EQ(error_in(infer_bytes("0", "123")), "body: it holds 3 bytes, an example takes 16");
}

TEST_F(V2Http, TheModelMayBeNamedAgain) {
  const std::string bytes = bytes_of<float>({1, 0, 0, 0});
  EXPECT_EQ(infer({{"model_name", "small"}, {"inputs", {binary_input(16)}}}, bytes).status, 200);
  EXPECT_EQ(error_in(infer({{"model_name", "large"}, {"inputs", {binary_input(16)}}}, bytes)),
            "model_name: the path names 'small'");
}

TEST_F(V2Http, OtherDatatypesComeAsJsonToo) {
  const auto infer_as = [this](const char* datatype, const Json& data) {
    return infer(
        {{"inputs", {{{"name", "input"}, {"datatype", datatype}, {"shape", {1, 1, 2, 2}}, {"data", data}}}}},
        "", false);
  };
  EXPECT_EQ(infer_as("INT64", {1, 2, 3, 4}).status, 200);
  EXPECT_EQ(infer_as("UINT8", {255, 2, 3, 4}).status, 200);
  EXPECT_EQ(infer_as("FP64", {0.5, 2, 3, 4}).status, 200);
  EXPECT_EQ(infer_as("FP32", {0.1, 2, 3, 4}).status, 200) << "FP32 in text is the nearest one";
  EXPECT_EQ(error_in(infer_as("FP64", {0.1, 2, 3, 4})),
            "inputs[0].data[0]: 0.1 is no number of FP32, which the model computes with");
  EXPECT_EQ(error_in(infer_as("INT32", {1, 1.5, 3, 4})), "inputs[0].data[1]: 1.5 is no INT32");
  EXPECT_EQ(error_in(infer_as("UINT8", {1, 2, 256, 4})), "inputs[0].data[2]: 256 is no UINT8");
  EXPECT_EQ(error_in(infer_as("INT64", {9007199254740993, 2, 3, 4})),
            "inputs[0].data[0]: 9007199254740993 is no number of FP32, which the model computes with");
}

TEST_F(V2Http, GivesTheBestLabels) {
  const auto infer_best = [this](const Json& best, bool is_binary = false) {
    return infer(
        {{"inputs", {binary_input(16)}},
         {"outputs",
          {{{"name", "scores"}, {"parameters", {{"classification", best}, {"binary_data", is_binary}}}}}}},
        bytes_of<float>({1, 0, 0, 0}));
  };
  EXPECT_EQ(Json::parse(infer_best(2).body).at("outputs"),
            Json::parse(R"([{"name": "scores", "datatype": "BYTES", "shape": [1, 2],
                             "data": ["0.5:1:1", "0.25:0:0"]}])"));
  EXPECT_EQ(Json::parse(infer_best(99).body).at("outputs")[0].at("shape"), Json::parse("[1, 3]"));
  EXPECT_EQ(parts_of(infer_best(1, true)).second, std::string("\7\0\0\0"
                                                              "0.5:1:1",
                                                              11));
  for (const Json& wrong : {Json(0), Json(-1), Json("2"), Json(1.5), Json(nullptr)}) {
    EXPECT_EQ(error_in(infer_best(wrong)),
              "outputs[0].parameters.classification: a whole number from 1 is expected");
  }
}

struct BadHeader {
  Json header;
  std::size_t bytes;
  const char* error;
};

TEST_F(V2Http, BinaryTensorsThatDoNotFitAreRefused) {
  const Json input = binary_input(16);
  Json with_data = input;
  with_data["data"] = {1, 2, 3, 4};
  const auto sized = [](const Json& size) {
    Json changed = binary_input(16);
    changed["parameters"]["binary_data_size"] = size;
    return Json{{"inputs", {changed}}};
  };
  const std::vector<BadHeader> table = {
      {{{"inputs", {input}}},
       12,
       "inputs[0].parameters.binary_data_size: it is 16, the body has 12 more bytes"},
      {{{"inputs", {input}}}, 20, "body: 4 bytes at its end belong to no input"},
      {{{"inputs", {with_data}}}, 16, "inputs[0].data: it is given beside parameters.binary_data_size"},
      {sized(-1), 16, "inputs[0].parameters.binary_data_size: a whole number of bytes is expected"},
      {sized("16"), 16, "inputs[0].parameters.binary_data_size: a whole number of bytes is expected"},
      {sized(18446744073709551615U), 16,
       "inputs[0].parameters.binary_data_size: a whole number of bytes is expected"},
      {sized(12), 12, "inputs[0].data: it holds 12 bytes, FP32 of shape [1, 1, 2, 2] take 16"},
      {{{"inputs", {input, input}}}, 32, "inputs: 2 were sent, the model takes one, 'input'"},
      {{{"inputs", {binary_input(16, 1, "BYTES")}}},
       16,
       "inputs[0].datatype: 'BYTES' was sent, the model takes FP32"},
      {{{"inputs", {input}}, {"parameters", {{"binary_data_output", 1}}}},
       16,
       "parameters.binary_data_output: true or false is expected"},
      {{{"inputs", {input}}, {"parameters", {{"timeout", -1}}}},
       16,
       "parameters.timeout: a whole number from 0 is expected"},
      {{{"inputs", {input}},
        {"outputs", {{{"name", "scores"}, {"parameters", {{"shared_memory_region", "x"}}}}}}},
       16,
       "outputs[0].parameters.shared_memory_region: shared memory is not offered here"},
      {{{"inputs", {input}}, {"parameters", 7}}, 16, "parameters: an object is expected"}};
  for (const auto& [header, bytes, error] : table) {
    const Response response = infer(header, std::string(bytes, '\0'));
    EXPECT_EQ(response.status, 400) << header;
    EXPECT_EQ(error_in(response), error) << header;
  }
  EXPECT_EQ(error_in(infer({{"inputs", {input}}}, "", false)),
            "inputs[0].parameters.binary_data_size: there are no bytes without the header "
            "Inference-Header-Content-Length");
  EXPECT_EQ(error_in(infer_bytes("x", "{}")),
            "Inference-Header-Content-Length: a whole number of bytes is expected");
  EXPECT_EQ(error_in(infer_bytes("-1", "{}")),
            "Inference-Header-Content-Length: a whole number of bytes is expected");
  EXPECT_EQ(error_in(infer_bytes("3", "{}")),
            "Inference-Header-Content-Length: it is 3, the body has 2 bytes");
}

TEST_F(V2Http, DescribesTheConfiguration) {
  const Json config = Json::parse(get("/v2/models/small/config").body);
  EXPECT_EQ(config.at("name"), "small");
  EXPECT_EQ(config.at("platform"), "mlpipe_libtorch");
  EXPECT_EQ(config.at("max_batch_size"), 64);
  EXPECT_EQ(config.at("input"),
            Json::parse(R"([{"name": "input", "data_type": "TYPE_FP32", "dims": [1, 2, 2]}])"));
  EXPECT_EQ(config.at("output"), Json::parse(R"([
    {"name": "scores", "data_type": "TYPE_FP32", "dims": [3]},
    {"name": "label", "data_type": "TYPE_STRING", "dims": [1], "reshape": {"shape": []}}])"));
  EXPECT_EQ(config.at("instance_group")[0].at("count"), 1);
  EXPECT_EQ(config.at("dynamic_batching").at("max_queue_delay_microseconds"), 0);
  EXPECT_EQ(get("/v2/models/small/versions/7/config").body, get("/v2/models/small/config").body);
  EXPECT_EQ(get("/v2/models/large/config").status, 404);
  EXPECT_EQ(get("/v2/models/small/versions/8/config").status, 404);
}

TEST_F(V2Http, CountsByVersion) {
  engine_.load("/models/small", "8", Engine::Takeover::beside);
  const Json before = Json::parse(get("/v2/models/small/stats").body).at("model_stats");
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before[0].at("last_inference"), 0);
  ASSERT_EQ(infer({{"inputs", {binary_input(32, 2)}}}, std::string(32, '\0')).status, 200);
  ASSERT_EQ(infer({{"inputs", {binary_input(12)}}}, std::string(12, '\0')).status, 400);
  const Json stats = Json::parse(get("/v2/models/small/versions/7/stats").body).at("model_stats");
  ASSERT_EQ(stats.size(), 1U);
  EXPECT_EQ(stats[0].at("name"), "small");
  EXPECT_EQ(stats[0].at("version"), "7");
  EXPECT_EQ(stats[0].at("inference_count"), 2);
  EXPECT_EQ(stats[0].at("execution_count"), 1);
  EXPECT_GT(stats[0].at("last_inference"), 0);
  EXPECT_EQ(stats[0].at("inference_stats").at("success").at("count"), 1);
  EXPECT_EQ(stats[0].at("inference_stats").at("fail").at("count"), 1);
  EXPECT_EQ(stats[0].at("inference_stats").at("compute_infer").at("count"), 1);
  const Json all = Json::parse(get("/v2/models/stats").body).at("model_stats");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].at("version"), "8");
  EXPECT_EQ(all[1].at("inference_count"), 0);
  EXPECT_EQ(get("/v2/models/large/stats").status, 404);
}

TEST_F(V2Http, DescribingUsesUpNoShareOfTheTraffic) {
  engine_.load("/models/small", "8", Engine::Takeover::beside);
  engine_.set_weights("small", {{"7", 1}, {"8", 1}});
  std::vector<std::string> versions;
  for (int i = 0; i < 4; ++i) {
    const Json metadata = Json::parse(get("/v2/models/small").body);
    EXPECT_EQ(metadata.at("versions"), Json::parse(R"(["7", "8"])"));
    get("/v2/models/small/ready");
    get("/v2/models/small/config");
    versions.push_back(
        parts_of(infer({{"inputs", {binary_input(16)}}}, std::string(16, '\0'))).first.at("model_version"));
  }
  EXPECT_EQ(std::count(versions.begin(), versions.end(), "7"), 2);
}

TEST_F(V2Http, SaysWhatItCanDo) {
  EXPECT_EQ(Json::parse(get("/v2").body).at("extensions"),
            Json::parse(R"(["binary_tensor_data", "classification", "model_configuration", "statistics"])"));
}

TEST_F(V2Http, BytesThatWereMixedUpAreAnsweredOrRefused) {
  const std::string good = Json{{"id", "x"},
                                {"parameters", {{"binary_data_output", true}, {"timeout", 1000000}}},
                                {"inputs", {binary_input(16)}},
                                {"outputs", {{{"name", "scores"}, {"parameters", {{"classification", 2}}}}}}}
                               .dump();
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string body = good + bytes_of<float>({1, 0, 0, 0});
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % body.size();
      switch (random() % 3) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.erase(at, random() % 8);
          break;
        default:
          body.insert(at, body.substr(random() % body.size(), random() % 8));
      }
    }
    const Response response = infer_bytes(std::to_string(good.size() - random() % 2), body);
    EXPECT_TRUE(response.status == 200 || response.status == 400 || response.status == 504)
        << response.status << " " << response.body;
    refused += response.status == 400 ? 1 : 0;
  }
  EXPECT_GT(refused, 1000);
}

// A model that takes until it is told to go on.
TEST(V2Timeout, IsADeadlineInTheQueue) {
  std::promise<void> go_on;
  const std::shared_future<void> wait = go_on.get_future().share();
  std::promise<void> started;
  bool is_first = true;
  Engine engine(loader_of(small_model(), [&](std::span<const float> example) {
    if (example[0] == 2) {  // the first request
      if (std::exchange(is_first, false)) {
        started.set_value();
      }
      wait.wait();
    }
    return first_value_wins(example);
  }));
  engine.load("/models/small", "7");
  Metrics metrics;
  const Router router = public_router(engine, metrics);
  const auto body = [](int first, const std::string& more) {
    return fmt::format(
        R"({{"inputs": [{{"name": "input", "datatype": "FP32", "shape": [1, 1, 2, 2], "data": [{}, 0, 0, 0]}}]{}}})",
        first, more);
  };
  std::promise<Response> first;
  std::promise<Response> second;
  const auto send = [&](const std::string& json, std::promise<Response>& answer) {
    router.answer({"POST", "/v2/models/small/infer", "", {}, json},
                  [&answer](Response response) { answer.set_value(std::move(response)); });
  };
  send(body(2, ""), first);
  started.get_future().wait();
  send(body(0, R"(, "parameters": {"timeout": 1})"), second);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  go_on.set_value();
  EXPECT_EQ(first.get_future().get().status, 200);
  EXPECT_EQ(second.get_future().get().status, 504);
}

}  // namespace
}  // namespace mlpipe
