#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "server/protocol/json.hpp"
#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

class Protocol : public testing::Test {
 protected:
  explicit Protocol(Model model = small_model(), FakeModel::Function function = first_value_wins)
      : engine_(loader_of(std::move(model), std::move(function))),
        public_(public_router(engine_, metrics_)),
        admin_(admin_router(engine_, metrics_,
                            {[this] { ++stops_; },
                             [this] {
                               ReloadReport report;
                               reload_models(engine_, report);
                               return report;
                             }})) {
    engine_.load("/models/small", "7");
  }

  Response post(const std::string& path, const std::string& body, std::vector<Header> headers = {}) const {
    return ask(public_, {"POST", path, "", std::move(headers), body});
  }
  Response get(const std::string& path) const { return ask(public_, {"GET", path, "", {}, ""}); }
  Response admin(const std::string& method, const std::string& path, const std::string& body = "") const {
    return ask(admin_, {method, path, "", {}, body});
  }

  Engine engine_;
  Metrics metrics_;
  int stops_ = 0;
  Router public_;
  Router admin_;
};

std::string error_in(const Response& response) {
  return Json::parse(response.body).at("error");
}

TEST_F(Protocol, PredictsOneExample) {
  const Response response = post("/predict", R"({"data": [2, 0, 0, 0]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            R"({"prediction":2,"scores":{"0":0.25,"1":0.25,"2":0.5},"model":"small","version":"7"})");
}

TEST_F(Protocol, PredictsABatch) {
  const Response response = post("/predict", R"({"data": [[1, 0, 0, 0], [0, 0, 0, 0]]})");
  EXPECT_EQ(response.body,
            R"({"predictions":[{"prediction":1,"scores":{"0":0.25,"1":0.5,"2":0.25}},)"
            R"({"prediction":0,"scores":{"0":0.5,"1":0.25,"2":0.25}}],"model":"small","version":"7"})");
}

TEST_F(Protocol, TakesExamplesInTheInputsShape) {
  const std::string one = post("/predict", R"({"data": [2, 0, 0, 0]})").body;
  EXPECT_EQ(post("/predict", R"({"data": [[[2, 0], [0, 0]]]})").body, one);
  EXPECT_EQ(post("/predict", R"({"data": [[2, 0], [0, 0]]})").body, one);  // without the channel
  const std::string batch = post("/predict", R"({"data": [[2, 0, 0, 0]]})").body;
  EXPECT_EQ(post("/predict", R"({"data": [[[[2, 0], [0, 0]]]]})").body, batch);
  EXPECT_NE(batch, one);
}

TEST_F(Protocol, ReadsWhatCurlSendsWithoutBeingTold) {
  const Response response =
      post("/predict", R"({"data": [2, 0, 0, 0]})", {{"Content-Type", "application/x-www-form-urlencoded"}});
  EXPECT_EQ(response.status, 200);
}

struct BadInput {
  const char* body;
  const char* error;
};

class BadPredict : public Protocol, public testing::WithParamInterface<BadInput> {};

TEST_P(BadPredict, IsRefusedNamingTheField) {
  const Response response = post("/predict", GetParam().body);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_in(response), GetParam().error) << response.body;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadPredict,
    testing::Values(
        BadInput{"", "body: it is empty, a JSON object is expected"},
        BadInput{"7", "body: it is a number, a JSON object is expected"},
        BadInput{"[1, 2, 3, 4]", "body: it is a list, a JSON object is expected"},
        BadInput{"{}", R"(data: it is missing, send {"data": [numbers]})"},
        BadInput{R"({"dta": [1, 2, 3, 4]})", "dta: this field is unknown; did you mean 'data'?"},
        BadInput{R"({"data": [1, 2, 3, 4], "data": [1, 2, 3, 4]})", "data: it is given twice"},
        BadInput{R"({"data": null})", "data: it is null, a list of numbers is expected"},
        BadInput{R"({"data": "1,2,3,4"})", "data: it is a text, a list of numbers is expected"},
        BadInput{R"({"data": []})", "data: it is empty"}, BadInput{R"({"data": [[]]})", "data: it is empty"},
        BadInput{R"({"data": [1, 2, 3]})",
                 "data: its shape is [3], an example has 4 numbers or of shape [1, 2, 2] (or send a list of "
                 "examples)"},
        BadInput{R"({"data": [[1, 2, 3, 4], [1, 2, 3]]})",
                 "data[1]: it is 3 long, the lists before it are 4 long"},
        BadInput{R"({"data": [1, "2", 3, 4]})", "data[1]: it is a text, not a number"},
        BadInput{R"({"data": [1, true, 3, 4]})", "data[1]: it is a truth value, not a number"},
        BadInput{R"({"data": [1, null, 3, 4]})", "data[1]: it is null, not a number"},
        BadInput{R"({"data": [1, {"x": 2}, 3, 4]})", "data[1]: it is an object, not a number"},
        BadInput{R"({"data": [1, [2], 3, 4]})", "data[1]: it is a list, its neighbours are numbers"},
        BadInput{R"({"data": [[1, 2, 3, 4], 5]})", "data[1]: it is a number, its neighbours are lists"},
        BadInput{R"({"data": [1, 2, 3, 1e39]})", "data[3]: 1e+39 is beyond what FP32 holds"},
        BadInput{R"({"data": [[1, 2, 3, 4], [1, 2, -1e300, 4]]})",
                 "data[1][2]: -1e+300 is beyond what FP32 holds"}));

class NotJson : public Protocol, public testing::WithParamInterface<std::string> {};

TEST_P(NotJson, IsRefusedAndNamedTheBody) {
  const Response response = post("/predict", GetParam());
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(error_in(response).starts_with("body: it is n")) << response.body;
}

INSTANTIATE_TEST_SUITE_P(Table, NotJson,
                         testing::Values("{", "nonsense", R"({"data": [1, 2, 3, 4]} {})",
                                         R"({"data": [1, 2, 3, 4],})", R"({"data": [NaN, 2, 3, 4]})",
                                         R"({"data": [1, 2, 3, Infinity]})", R"({"data": [1, 2, 3, 1e400]})",
                                         R"({"data": [1, 2, 3, 0x10]})", R"({"data": [1, 2, 3, 01]})",
                                         "{\"data\": [1, 2, 3, 4], \"\xff\": 1}",
                                         std::string("{\"data\": [1, 2, 3, 4]}\0", 23),
                                         R"({"data": )" + std::string(100'000, '[') +
                                             std::string(100'000, ']') + "}"));

TEST_F(Protocol, SaysThatJsonHasNoNaN) {
  EXPECT_NE(error_in(post("/predict", R"({"data": [NaN, 2, 3, 4]})")).find("JSON has no NaN"),
            std::string::npos);
}

TEST_F(Protocol, RefusesABodyThatSaysItIsSomethingElse) {
  for (const std::string type : {"image/png", "multipart/form-data; boundary=x", "application/x-npy",
                                 "application/json; charset=utf-16"}) {
    const Response response = post("/predict", R"({"data": [1, 2, 3, 4]})", {{"Content-Type", type}});
    EXPECT_EQ(response.status, 415) << type;
    EXPECT_TRUE(error_in(response).starts_with("Content-Type: "));
  }
  EXPECT_EQ(post("/predict", "x", {{"content-encoding", "gzip"}}).status, 415);
  EXPECT_EQ(
      post("/predict", R"({"data": [1, 2, 3, 4]})", {{"content-type", "application/json; charset=UTF-8"}})
          .status,
      200);
}

TEST_F(Protocol, RefusesMoreExamplesThanOneRequestMayHold) {
  std::string body = R"({"data": [[1,2,3,4])";
  for (int i = 0; i < 20'000; ++i) {
    body += ",[1,2,3,4]";
  }
  const Response response = post("/predict", body + "]}");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_in(response), "data: it holds 20001 examples, one request may hold 16384");
}

TEST_F(Protocol, UnknownPathsAndMethods) {
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(error_in(get("/nothing")), "path: /nothing is unknown here");
  EXPECT_EQ(get("").status, 404);
  EXPECT_EQ(get("/v2/models/%zz").status, 404);
  const Response response = get("/predict");
  EXPECT_EQ(response.status, 405);
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].name, "Allow");
  EXPECT_EQ(response.headers[0].value, "POST");
  EXPECT_EQ(post("/metrics", "").headers.at(0).value, "GET, HEAD");
  EXPECT_EQ(ask(public_, {"HEAD", "/metrics", "", {}, ""}).status, 200);
  EXPECT_EQ(get("/admin/state").status, 404) << "the public port has no administration";
}

TEST_F(Protocol, ErrorsAreJsonWhateverThePathHolds) {
  const Response response = get("/\xff\"\x01");
  EXPECT_EQ(response.status, 404);
  EXPECT_NO_THROW(error_in(response));
}

TEST_F(Protocol, DescribesServerAndModel) {
  EXPECT_EQ(Json::parse(get("/v2").body).at("name"), "mlpipe-serve");
  EXPECT_EQ(Json::parse(get("/v2/health/live").body).at("live"), true);
  EXPECT_EQ(Json::parse(get("/v2/health/ready").body).at("ready"), true);
  EXPECT_EQ(Json::parse(get("/v2/models/small").body), Json::parse(R"({
    "name": "small", "versions": ["7"], "platform": "mlpipe_libtorch",
    "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 2, 2]}],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]}]})"));
  EXPECT_EQ(get("/v2/models/small/versions/7").body, get("/v2/models/small").body);
  EXPECT_EQ(Json::parse(get("/v2/models/small/ready").body),
            Json::parse(R"({"name": "small", "ready": true})"));
  EXPECT_EQ(get("/v2/models/sm%61ll/ready").status, 200);
  EXPECT_EQ(get("/v2/models/large").status, 404);
  EXPECT_EQ(get("/v2/models/small/versions/8/ready").status, 404);
  EXPECT_EQ(Json::parse(get("/model").body), Json::parse(R"({
    "model": "small", "version": "7", "task": "classification", "image": true, "shape": [1, 2, 2],
    "range": [0, 16], "columns": [], "labels": ["0", "1", "2"], "feedback": false})"));
}

TEST_F(Protocol, InfersByTheOpenInferenceProtocol) {
  const std::string input = R"({"name": "input", "shape": [2, 1, 2, 2], "datatype": "FP32", )";
  const char* expected =
      R"({"model_name":"small","model_version":"7","id":"a\"b","outputs":[)"
      R"({"name":"scores","datatype":"FP32","shape":[2,3],"data":[0.25,0.5,0.25,0.5,0.25,0.25]},)"
      R"({"name":"label","datatype":"BYTES","shape":[2],"data":["1","0"]}]})";
  for (const std::string data : {"[1,0,0,0,0,0,0,0]", "[[[[1,0],[0,0]]],[[[0,0],[0,0]]]]"}) {
    const Response response =
        post("/v2/models/small/infer",
             fmt::format(R"({{"id": "a\"b", "inputs": [{}"data": {}}}]}})", input, data));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, expected);
  }
  const Response label =
      post("/v2/models/small/versions/7/infer", R"({"inputs": [)" + input + R"("data": [1,0,0,0,0,0,0,0]}],
      "parameters": {"unknown": [1]}, "outputs": [{"name": "label", "parameters": {"binary_data": false}}]})");
  EXPECT_EQ(label.body, R"({"model_name":"small","model_version":"7","outputs":[)"
                        R"({"name":"label","datatype":"BYTES","shape":[2],"data":["1","0"]}]})");
}

class BadInference : public Protocol, public testing::WithParamInterface<BadInput> {};

TEST_P(BadInference, IsRefusedNamingTheField) {
  const Response response = post("/v2/models/small/infer", GetParam().body);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_in(response), GetParam().error) << response.body;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadInference,
    testing::Values(
        BadInput{"{}", "inputs: it is missing"}, BadInput{R"({"inputs": {}})", "inputs: a list is expected"},
        BadInput{R"({"inputs": []})", "inputs: 0 were sent, the model takes one, 'input'"},
        BadInput{R"({"inputs": [{}, {}]})", "inputs: 2 were sent, the model takes one, 'input'"},
        BadInput{R"({"inputs": [1]})", "inputs[0]: an object is expected"},
        BadInput{R"({"inputs": [{}]})", "inputs[0].name: it is missing"},
        BadInput{
            R"({"inputs": [{"name": "x", "shape": [1, 1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]})",
            "inputs[0].name: 'x' is unknown, the model's input is 'input'"},
        BadInput{R"({"inputs": [{"name": "input", "name": "input"}]})", "inputs[0].name: it is given twice"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [1, 1, 2, 2], "datatype": "BYTES", "data": ["1", "2", "3", "4"]}]})",
            "inputs[0].datatype: 'BYTES' was sent, the model takes FP32"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]})",
            "inputs[0].shape: [1, 4] does not fit [-1, 1, 2, 2]"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [-1, 1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]})",
            "inputs[0].shape[0]: a whole number from 0 is expected"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [1.5, 1, 2, 2], "datatype": "FP32", "data": [1]}]})",
            "inputs[0].shape[0]: a whole number from 0 is expected"},
        BadInput{R"({"inputs": [{"name": "input", "shape": [0, 1, 2, 2], "datatype": "FP32", "data": []}]})",
                 "inputs[0].shape[0]: it holds no example"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [4611686018427387905, 1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]})",
            "inputs[0].shape[0]: it holds 4611686018427387905 examples, one request may hold 16384"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [1, 1, 2, 2], "datatype": "FP32", "data": [1, 2, 3]}]})",
            "inputs[0].data: its shape is [3], inputs[0].shape says [1, 1, 2, 2]"},
        BadInput{R"({"inputs": [{"name": "input", "shape": [1, 1, 2, 2], "datatype": "FP32"}]})",
                 "inputs[0].data: it is missing"},
        BadInput{
            R"({"inputs": [{"name": "input", "shape": [1, 1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 1e40]}]})",
            "inputs[0].data[3]: 1e+40 is beyond what FP32 holds"},
        BadInput{R"({"id": 7, "inputs": []})", "id: it is a number, a text is expected"},
        BadInput{R"({"inputs": [], "outputs": [{"name": "x"}]})",
                 "outputs[0].name: 'x' is unknown, the outputs are 'scores' and 'label'"},
        BadInput{R"({"inputs": [], "outputs": [{"name": "label"}, {"name": "label"}]})",
                 "outputs[1].name: 'label' is given twice"},
        BadInput{R"({"inputs": [], "output": []})",
                 "output: this field is unknown; did you mean 'outputs'?"}));

TEST_F(Protocol, BytesAloneThatAreSaidToBeJsonAreRefused) {
  const Header bytes{"Inference-Header-Content-Length", "0"};
  const std::string zeros(16, '\0');
  EXPECT_EQ(post("/v2/models/small/infer", zeros, {bytes}).status, 200);
  const Response refused =
      post("/v2/models/small/infer", zeros, {bytes, {"Content-Type", "Application/JSON; charset=utf-8"}});
  EXPECT_EQ(refused.status, 415);
  EXPECT_TRUE(error_in(refused).starts_with("Content-Type: "));
}

TEST_F(Protocol, InferenceOfAnotherModelOrVersionIs404) {
  EXPECT_EQ(post("/v2/models/large/infer", "{}").status, 404);
  EXPECT_EQ(post("/v2/models/small/versions/8/infer", "{}").status, 404);
}

class TextLabels : public Protocol {
 protected:
  static Model named() {
    Model model = small_model();
    model.labels = {"1", "007", "say \"\xc3\xa9\""};
    return model;
  }
  TextLabels() : Protocol(named()) {}
};

TEST_F(TextLabels, AreTextsUnlessAllAreNumbers) {
  EXPECT_EQ(Json::parse(post("/predict", R"({"data": [0, 0, 0, 0]})").body).at("prediction"), "1");
  EXPECT_EQ(Json::parse(post("/predict", R"({"data": [2, 0, 0, 0]})").body).at("prediction"),
            "say \"\xc3\xa9\"");
}

class Unscorable : public Protocol {
 protected:
  Unscorable()
      : Protocol(small_model(), [](std::span<const float> values) {
          return std::vector<float>{values[0] > 100 ? std::numeric_limits<float>::quiet_NaN() : 0, 0, 0};
        }) {}
};

TEST_F(Unscorable, ExamplesAreTheClientsFault) {
  const Response response = post("/predict", R"({"data": [[0, 0, 0, 0], [3e38, 0, 0, 0]]})");
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(error_in(response).starts_with("data[1]: ")) << response.body;
}

class Throwing : public Protocol {
 protected:
  Throwing()
      : Protocol(small_model(), [](std::span<const float> values) -> std::vector<float> {
          if (values[0] == 1) {
            throw std::runtime_error("the library failed");
          }
          return {1, 0, 0};
        }) {}
};

TEST_F(Throwing, AFailureOfTheModelIs500AndTheServerGoesOn) {
  EXPECT_EQ(post("/predict", R"({"data": [1, 0, 0, 0]})").status, 500);
  EXPECT_EQ(post("/predict", R"({"data": [0, 0, 0, 0]})").status, 200);
}

TEST(ProtocolStarting, Answers503BeforeTheFirstModel) {
  Engine engine(loader_of(small_model(), first_value_wins));
  Metrics metrics;
  const Router router = public_router(engine, metrics);
  for (const char* path : {"/v2/health/ready", "/v2/models/small", "/model"}) {
    EXPECT_EQ(ask(router, {"GET", path, "", {}, ""}).status, 503) << path;
  }
  EXPECT_EQ(ask(router, {"POST", "/predict", "", {}, "{}"}).status, 503);
  EXPECT_EQ(ask(router, {"GET", "/v2/health/live", "", {}, ""}).status, 200);
  EXPECT_EQ(ask(router, {"GET", "/metrics", "", {}, ""}).status, 200);
}

TEST_F(Protocol, TheAdminPortHasHealthAndMetricsButNoInference) {
  EXPECT_EQ(admin("GET", "/admin/state").status, 200);
  EXPECT_EQ(admin("GET", "/v2/health/ready").status, 200);
  EXPECT_EQ(admin("GET", "/metrics").status, 200);
  EXPECT_EQ(admin("POST", "/predict", "{}").status, 404);
}

TEST_F(Protocol, LoadsAndShowsTheNewVersion) {
  const Response response = admin("POST", "/admin/load", R"({"directory": "/tmp", "version": "8"})");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json loaded = Json::parse(response.body);
  EXPECT_EQ(loaded.at("version"), "8");
  EXPECT_EQ(loaded.at("digest"), digest_of("small").hex());
  const Json state = Json::parse(admin("GET", "/admin/state").body);
  EXPECT_EQ(state.at("state"), "serving");
  EXPECT_EQ(state.at("version"), "8");
  EXPECT_EQ(state.at("directory"), "/tmp");
  EXPECT_EQ(state.at("load").at("state"), "succeeded");
  EXPECT_EQ(Json::parse(post("/predict", R"({"data": [2, 0, 0, 0]})").body).at("version"), "8");
}

TEST_F(Protocol, RefusesALoadThatIsAskedForWrongly) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {R"({"version": "8"})", "directory: it is missing"},
      {R"({"directory": "/tmp"})", "version: it is missing"},
      {R"({"directory": "tmp", "version": "8"})", "directory: 'tmp' is not an absolute path"},
      {R"({"directory": "/tmp/no/such", "version": "8"})", "directory: '/tmp/no/such' is no folder here"},
      {R"({"directory": "/tmp", "version": ""})",
       "version: a text of 1 to 4096 characters in one line is expected"},
      {R"({"directory": "/tmp", "version": 8})", "version: it is a number, a text is expected"},
      {R"({"directory": "/tmp", "version": "8", "force": true})",
       "force: this field is unknown; known: directory, version, takeover"}};
  for (const auto& [body, error] : table) {
    const Response response = admin("POST", "/admin/load", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_EQ(error_in(response), error);
  }
  EXPECT_EQ(engine_.current()->label(), "7");
}

TEST(ProtocolLoad, AModelThatCannotBeLoadedIs422AndTheOldOneStays) {
  Engine engine([](const std::filesystem::path& directory) -> std::unique_ptr<const Servable> {
    if (directory == "/tmp") {
      throw Error("/tmp/model.yaml is missing", "train one");
    }
    return std::make_unique<const FakeModel>(small_model(), first_value_wins);
  });
  engine.load("/", "7");
  Metrics metrics;
  const Router router = admin_router(engine, metrics, {[] {}, [] { return ReloadReport(); }});
  const Response response =
      ask(router, {"POST", "/admin/load", "", {}, R"({"directory": "/tmp", "version": "8"})"});
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(error_in(response), "directory: /tmp/model.yaml is missing (train one)");
  EXPECT_EQ(engine.current()->label(), "7");
}

TEST_F(Protocol, StopAsksForTheStopAndIsNotReadyWhileDraining) {
  EXPECT_EQ(admin("POST", "/admin/stop").status, 202);
  EXPECT_EQ(stops_, 1);
  engine_.begin_draining();
  EXPECT_EQ(get("/v2/health/ready").status, 503);
  EXPECT_EQ(error_in(get("/v2/health/ready")), "the server is draining");
  EXPECT_EQ(post("/predict", R"({"data": [2, 0, 0, 0]})").status, 200);
}

TEST_F(Protocol, CountsWhatItAnswered) {
  post("/predict", R"({"data": [[2, 0, 0, 0], [2, 0, 0, 0]]})");
  post("/predict", "{}");
  get("/secret/path");
  std::string text = get("/metrics").body;
  // A request is in flight until its answer is sent, which its client may have read just before.
  for (int tries = 0; tries < 100 && text.find("mlpipe_http_requests_in_flight 1\n") == std::string::npos;
       ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    text = get("/metrics").body;
  }
  for (const char* line : {
           "mlpipe_http_requests_total{path=\"/predict\",status=\"200\"} 1\n",
           "mlpipe_http_requests_total{path=\"/predict\",status=\"400\"} 1\n",
           "mlpipe_http_requests_total{path=\"other\",status=\"404\"} 1\n",
           "mlpipe_http_request_duration_seconds_count{path=\"/predict\"} 2\n",
           "mlpipe_http_requests_in_flight 1\n",
           "nv_inference_request_success{model=\"small\",version=\"7\"} 1\n",
           "nv_inference_request_failure{model=\"small\",version=\"7\"} 1\n",
           "nv_inference_count{model=\"small\",version=\"7\"} 2\n",
           "mlpipe_model_loads_total{result=\"succeeded\"} 1\n",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "in\n" << text;
  }
  EXPECT_NE(text.find("mlpipe_model_info{model=\"small\",version=\"7\",digest=\"" + digest_of("small").hex() +
                      "\"} 1"),
            std::string::npos);
  EXPECT_EQ(text.find("secret"), std::string::npos) << "a path that a client made up is no label";
}

TEST_F(Protocol, ThePageIsOneDocumentWithoutOutsideResources) {
  const Response page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.body.ends_with("</html>\n"));
  EXPECT_EQ(page.body.find("http://"), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  EXPECT_EQ(page.body.find("/* scripts */"), std::string::npos);
  EXPECT_NE(page.body.find("function pictureOf"), std::string::npos);
  EXPECT_NE(page.body.find("--accent"), std::string::npos);
  EXPECT_NE(page.body.find(R"(id="model">{"model":"small","version":"7")"), std::string::npos)
      << "the page knows its model without having to ask";
}

TEST(Json, NumbersReadBackAsTheSameFp32Values) {
  std::mt19937 random(7);
  const auto same = [](float value) {
    JsonBuffer out;
    append_number(out, value);
    const float read = static_cast<float>(Json::parse(std::string(out.data(), out.size())).get<double>());
    return std::bit_cast<std::uint32_t>(read) == std::bit_cast<std::uint32_t>(value);
  };
  for (const float value :
       {0.0F, 1.0F, 0.1F, 1e-45F, 1.17549435e-38F, 3.4028235e38F, 16777216.0F, 8.589973e9F}) {
    EXPECT_TRUE(same(value)) << value;
  }
  int differing = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint32_t bits = random();
    const float value = std::bit_cast<float>(bits);
    differing += std::isfinite(value) && !same(value) ? 1 : 0;
  }
  EXPECT_EQ(differing, 0);
}

}  // namespace
}  // namespace mlpipe
