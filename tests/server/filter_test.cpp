// The filters in front of the router, without a socket and without a model.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "server/filter/authentication.hpp"
#include "server/filter/call_observer.hpp"
#include "server/filter/compression.hpp"
#include "server/filter/cors.hpp"
#include "server/filter/credentials.hpp"
#include "server/filter/gzip.hpp"
#include "server/filter/observation.hpp"
#include "server/filter/request_id.hpp"
#include "server/filter/trace_context.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

std::string header_in(const Response& response, const std::string& name) {
  for (const Header& header : response.headers) {
    if (header.name == name) {
      return header.value;
    }
  }
  return "";
}

// What came through a filter to who answers, and what came back.
struct Passed {
  std::optional<Request> request;
  Response response;
};

Passed pass(const Filter& filter, Request request, const Response& answer = {200, "application/json", "{}"}) {
  Passed passed;
  const Answer last = [&](Request arrived, const Respond& respond) {
    passed.request = std::move(arrived);
    respond(answer);
  };
  chain({filter}, last)(std::move(request),
                        [&](Response response) { passed.response = std::move(response); });
  return passed;
}

Request get(const std::string& path, std::vector<Header> headers = {}) {
  return {"GET", path, "", std::move(headers), ""};
}

TEST(Chain, FiltersStandInTheOrderInWhichTheyAreGiven) {
  std::string seen;
  const auto naming = [&seen](char name) {
    return [&seen, name](Request request, const Respond& respond, const Answer& next) {
      seen += name;
      next(std::move(request), [&seen, name, respond](Response response) {
        seen += name;
        respond(std::move(response));
      });
    };
  };
  const Answer answer = chain({naming('a'), naming('b')}, [&seen](const Request&, const Respond& respond) {
    seen += '!';
    respond({});
  });
  answer({}, [](const Response&) {});
  EXPECT_EQ(seen, "ab!ba");
}

TEST(Gzip, PacksAndUnpacks) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) {
    text += std::to_string(i * 7919 % 1000) + ",";
  }
  for (const std::string& bytes : {std::string(), std::string("x"), text}) {
    EXPECT_EQ(unpack_gzip(pack_gzip(bytes), text.size()), bytes);
  }
  EXPECT_LT(pack_gzip(text).size(), text.size() / 2);
  EXPECT_EQ(unpack_gzip(pack_gzip("one, ") + pack_gzip("two"), 100), "one, two");
}

TEST(Gzip, StopsAtTheLimit) {
  const std::string bytes(100'000, 'x');
  EXPECT_EQ(unpack_gzip(pack_gzip(bytes), 100'000).size(), 100'000U);
  EXPECT_THROW(unpack_gzip(pack_gzip(bytes), 99'999), TooMuchInGzip);
  EXPECT_THROW(unpack_gzip(pack_gzip("x"), 0), TooMuchInGzip);
  // A member after the other is no way around it.
  EXPECT_THROW(unpack_gzip(pack_gzip(bytes) + pack_gzip(bytes), 150'000), TooMuchInGzip);
}

TEST(Gzip, RefusesWhatIsBroken) {
  const std::string whole = pack_gzip(std::string(1000, 'x') + "end");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(unpack_gzip(whole.substr(0, length), 10'000), NotGzip) << length;
  }
  EXPECT_THROW(unpack_gzip(whole + "rest", 10'000), NotGzip);
  std::string changed = whole;
  changed[changed.size() - 6] = static_cast<char>(changed[changed.size() - 6] ^ 1);  // the checksum
  EXPECT_THROW(unpack_gzip(changed, 10'000), NotGzip);
  EXPECT_THROW(unpack_gzip("not gzip at all", 10'000), NotGzip);
}

Request post_encoded(const std::string& encoding, std::string body) {
  return {"POST",
          "/predict",
          "",
          {{"content-encoding", encoding}, {"content-type", "application/json"}},
          std::move(body)};
}

TEST(Compression, UnpacksRequestsAndDropsTheHeader) {
  for (const std::string encoding : {"gzip", "GZIP", "x-gzip"}) {
    const Passed passed = pass(compression(1000), post_encoded(encoding, pack_gzip("the body")));
    ASSERT_TRUE(passed.request) << encoding;
    EXPECT_EQ(passed.request->body, "the body");
    EXPECT_EQ(passed.request->header("Content-Encoding"), "");
    EXPECT_EQ(passed.request->header("Content-Type"), "application/json");
  }
  EXPECT_EQ(pass(compression(1000), post_encoded("identity", "as it is")).request->body, "as it is");
}

TEST(Compression, RefusesWhatItCannotUnpack) {
  const auto expect = [](Request request, int status) {
    const Passed passed = pass(compression(1'000'000), std::move(request));
    EXPECT_FALSE(passed.request);
    EXPECT_EQ(passed.response.status, status) << passed.response.body;
    EXPECT_FALSE(Json::parse(passed.response.body).at("error").get<std::string>().empty());
    return passed.response;
  };
  EXPECT_EQ(header_in(expect(post_encoded("br", "x"), 415), "Accept-Encoding"), "gzip");
  expect(post_encoded("gzip, gzip", pack_gzip(pack_gzip("x"))), 415);
  expect({"POST", "/", "", {{"Content-Encoding", "gzip"}, {"Content-Encoding", "gzip"}}, pack_gzip("x")},
         415);
  expect(post_encoded("gzip", "{}"), 400);
  expect(post_encoded("gzip", pack_gzip("{}").substr(0, 15)), 400);
  const std::string bomb = pack_gzip(std::string(50'000'000, '\0'));
  ASSERT_LT(bomb.size(), 300'000U);
  expect(post_encoded("gzip", bomb), 413);
}

TEST(Compression, PacksAnswersForWhoTakesThem) {
  const Response large{200, "application/json", std::string(5000, '1')};
  const auto ask_with = [](const std::string& accept, const Response& answer) {
    return pass(compression(1000), get("/", {{"Accept-Encoding", accept}}), answer).response;
  };
  const Response packed = ask_with("gzip, deflate", large);
  EXPECT_EQ(header_in(packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(header_in(packed, "Vary"), "Accept-Encoding");
  EXPECT_EQ(unpack_gzip(packed.body, 5000), large.body);
  EXPECT_EQ(pass(compression(1000), get("/"), large).response.body, large.body);
  EXPECT_EQ(ask_with("br", large).body, large.body);
  EXPECT_EQ(ask_with("gzip", {200, "application/json", std::string(500, '1')}).body.size(), 500U);
  EXPECT_EQ(ask_with("gzip", {200, "image/png", std::string(5000, '1')}).body.size(), 5000U);
  Response encoded = large;
  encoded.headers.push_back({"Content-Encoding", "br"});
  EXPECT_EQ(ask_with("gzip", encoded).body, large.body);
}

TEST(Compression, RespectsWhatIsPreferred) {
  for (const char* header : {"gzip", "GZip", "x-gzip", "deflate, gzip;q=1.0, *;q=0.5", "*", "gzip;q=0.001",
                             "br , gzip ; q=0.5", "identity;q=0.5, gzip;q=0.5", "identity;q=0, *;q=1"}) {
    EXPECT_TRUE(accepts_gzip(header)) << header;
  }
  for (const char* header : {"", "br", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "identity, gzip;q=0.5",
                             "gzip;q=x", "gzip;q=-1", "gzipped", ";q=1"}) {
    EXPECT_FALSE(accepts_gzip(header)) << header;
  }
}

TEST(RequestId, TakesOnlyWhatIsHarmless) {
  EXPECT_TRUE(is_sane_request_id("7f1c-ab_2.Z:1/2+3=@"));
  EXPECT_TRUE(is_sane_request_id(std::string(128, 'a')));
  for (const std::string& text :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\"b"), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\xc3\xa4")}) {
    EXPECT_FALSE(is_sane_request_id(text)) << text;
  }
}

TEST(RequestId, NumbersDoNotRepeat) {
  UniqueNumbers numbers(7);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(seen.insert(numbers.next()).second);
  }
  EXPECT_NE(UniqueNumbers().next(), UniqueNumbers().next());
}

constexpr const char* traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, ReadsWhatTheRecommendationAllows) {
  const std::optional<TraceContext> context = parse_traceparent(traceparent);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(context->flags, "01");
  EXPECT_EQ(context->header(), traceparent);
  EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"));
  for (const char* wrong : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "nonsense",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
                            "00 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(parse_traceparent(wrong)) << wrong;
  }
}

// Requests through the filter, and the lines that it logged.
class Observed : public testing::Test {
 protected:
  Filter filter(bool access_log) {
    return observation({access_log, [this](std::string_view line) { lines_.emplace_back(line); }});
  }
  std::vector<std::string> lines_;
};

TEST_F(Observed, TheAnswerRepeatsTheIdOrGetsANewOne) {
  const Filter filter = this->filter(false);
  const Passed given = pass(filter, get("/", {{"x-request-id", "mine-1"}}));
  EXPECT_EQ(header_in(given.response, "X-Request-Id"), "mine-1");
  EXPECT_EQ(given.request->record->id, "mine-1");
  const std::string first =
      header_in(pass(filter, get("/", {{"X-Request-Id", "a b"}})).response, "X-Request-Id");
  const std::string second = header_in(pass(filter, get("/")).response, "X-Request-Id");
  EXPECT_TRUE(is_sane_request_id(first));
  EXPECT_NE(first, second);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Observed, TheAnswerIsASpanOfTheClientsTrace) {
  const Response response =
      pass(filter(false), get("/", {{"traceparent", traceparent}, {"tracestate", "vendor=1"}})).response;
  const std::optional<TraceContext> span = parse_traceparent(header_in(response, "traceparent"));
  ASSERT_TRUE(span);
  EXPECT_EQ(span->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(span->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(span->flags, "01");
  EXPECT_EQ(header_in(response, "tracestate"), "vendor=1");
  const Response without =
      pass(filter(false), get("/", {{"traceparent", "wrong"}, {"tracestate", "vendor=1"}})).response;
  EXPECT_EQ(header_in(without, "traceparent") + header_in(without, "tracestate"), "");
}

TEST_F(Observed, TheAccessLogHasALineOfJsonForEachRequest) {
  const Answer answer = chain({filter(true)}, [](const Request& request, const Respond& respond) {
    request.record->route = "/v2/models/{name}/infer";
    request.record->model = "small";
    request.record->version = "7";
    respond({200, "application/json", "{\"secret\":1}"});
  });
  answer({"POST",
          "/v2/models/x/infer",
          "",
          {{"X-Request-Id", "id-1"}, {"traceparent", traceparent}, {"Authorization", "Bearer hidden"}},
          "a body"},
         [](const Response&) {});
  ASSERT_EQ(lines_.size(), 1U);
  const Json line = Json::parse(lines_.front());
  EXPECT_EQ(line.at("id"), "id-1");
  EXPECT_EQ(line.at("method"), "POST");
  EXPECT_EQ(line.at("route"), "/v2/models/{name}/infer");
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_EQ(line.at("model"), "small");
  EXPECT_EQ(line.at("version"), "7");
  EXPECT_EQ(line.at("trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(line.at("parent"), "00f067aa0ba902b7");
  EXPECT_GE(line.at("ms").get<double>(), 0);
  EXPECT_EQ(line.at("level"), "info");
  for (const char* hidden : {"hidden", "a body", "secret"}) {
    EXPECT_EQ(lines_.front().find(hidden), std::string::npos) << hidden;
  }
}

TEST_F(Observed, FailuresAreLoggedWithTheirIdAlsoWithoutAnAccessLog) {
  const Filter filter = this->filter(false);
  pass(filter, get("/", {{"X-Request-Id", "ok"}}), {404, "application/json", "{}"});
  EXPECT_TRUE(lines_.empty());
  pass(filter, get("/", {{"X-Request-Id", "bad"}}), {500, "application/json", R"({"error":"it broke"})"});
  ASSERT_EQ(lines_.size(), 1U);
  const Json line = Json::parse(lines_.front());
  EXPECT_EQ(line.at("id"), "bad");
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_EQ(line.at("answer"), R"({"error":"it broke"})");
}

TEST_F(Observed, AnOverloadDoesNotFloodTheLog) {
  const Filter filter = this->filter(false);
  for (int i = 0; i < 1000; ++i) {
    pass(filter, get("/"), {503, "application/json", "{}"});
  }
  EXPECT_GE(lines_.size(), 10U);
  EXPECT_LT(lines_.size(), 1000U);
  for (int i = 0; i < 50; ++i) {
    pass(filter, get("/"), {500, "application/json", "{}"});
  }
  EXPECT_GE(lines_.size(), 60U);
}

TEST_F(Observed, RefusalsHaveAnIdToo) {
  const RefuseRequest refuse =
      observed_refusal({true, [this](std::string_view line) { lines_.emplace_back(line); }},
                       [](int status, std::string_view why) {
                         return Response{status, "application/json", std::string(why)};
                       });
  const Response response = refuse(413, "too large", nullptr);
  EXPECT_EQ(response.status, 413);
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(Json::parse(lines_.front()).at("id"), header_in(response, "X-Request-Id"));
  EXPECT_EQ(Json::parse(lines_.front()).at("route"), "refused");
}

TEST_F(Observed, ALateAnswerIsReplacedUnderTheRequestsOwnId) {
  const ObservationOptions options{true, [this](std::string_view line) { lines_.emplace_back(line); }};
  const RefuseRequest refuse = observed_refusal(options, [](int status, std::string_view why) {
    return Response{status, "application/json", std::string(why)};
  });
  Request late;
  Respond respond;
  const Answer answer = chain({observation(options)}, [&](Request request, Respond later) {
    request.record->route = "/predict";
    late = std::move(request);
    respond = std::move(later);
  });
  answer({"POST", "/predict", "", {{"X-Request-Id", "mine"}, {"traceparent", traceparent}}, ""},
         [](const Response&) {});
  const Response response = refuse(504, "too late", late.record.get());
  EXPECT_EQ(header_in(response, "X-Request-Id"), "mine");
  EXPECT_EQ(parse_traceparent(header_in(response, "traceparent"))->trace_id,
            "4bf92f3577b34da6a3ce929d0e0e4736");
  respond({200, "application/json", "{}"});
  ASSERT_EQ(lines_.size(), 1U) << "and the answer that nobody gets is not logged";
  const Json line = Json::parse(lines_.front());
  EXPECT_EQ(line.at("id"), "mine");
  EXPECT_EQ(line.at("route"), "/predict");
  EXPECT_EQ(line.at("status"), 504);
  EXPECT_EQ(line.at("answer"), "too late");
}

constexpr const char* infer = "/inference.GRPCInferenceService/ModelInfer";

// Calls that are no HTTP requests of ours, and what is known of them afterwards.
class ObservedCalls : public Observed {
 protected:
  std::unique_ptr<CallObserver> observer(bool access_log) {
    return make_call_observer({access_log, [this](std::string_view line) { lines_.emplace_back(line); }},
                              metrics_, recent_);
  }
  bool has_metric(const std::string& line) const {
    return metrics_.text({}).find(line + "\n") != std::string::npos;
  }
  Metrics metrics_;
  std::shared_ptr<RecentExamples> recent_ = std::make_shared<RecentExamples>(1'000'000);
};

TEST_F(ObservedCalls, AreLoggedAsRequestsAre) {
  const std::unique_ptr<CallObserver> observer = this->observer(true);
  const std::unique_ptr<ObservedCall> call = observer->begin(infer, {"mine", traceparent, "vendor=1"});
  ASSERT_EQ(call->headers().size(), 3U);
  EXPECT_EQ(call->headers()[0].value, "mine");
  EXPECT_EQ(call->headers()[2].value, "vendor=1");
  call->asked("digits", "3", std::vector<float>{1, 2}, 1);
  EXPECT_TRUE(has_metric("mlpipe_grpc_requests_in_flight 1"));
  call->end({200, "OK", "", 120});
  ASSERT_EQ(lines_.size(), 1U);
  const Json line = Json::parse(lines_.front());
  EXPECT_EQ(line.at("event"), "request");
  EXPECT_EQ(line.at("id"), "mine");
  EXPECT_EQ(line.at("trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(line.at("parent"), "00f067aa0ba902b7");
  EXPECT_EQ(line.at("method"), "gRPC");
  EXPECT_EQ(line.at("route"), infer);
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_EQ(line.at("code"), "OK");
  EXPECT_EQ(line.at("bytes"), 120);
  EXPECT_EQ(line.at("model"), "digits");
  EXPECT_EQ(line.at("version"), "3");
  EXPECT_TRUE(has_metric(R"(mlpipe_grpc_requests_total{code="OK",method="ModelInfer"} 1)"));
  EXPECT_TRUE(has_metric(R"(mlpipe_grpc_request_duration_seconds_count{method="ModelInfer"} 1)"));
  EXPECT_EQ(recent_->find("mine")->values, (std::vector<float>{1, 2})) << "feedback may name it";
}

TEST_F(ObservedCalls, WithoutAnAccessLogOnlyFailuresOfTheServerAreLogged) {
  const std::unique_ptr<CallObserver> observer = this->observer(false);
  observer->begin(infer, {})->end({404, "NOT_FOUND", "model: there is none", 0});
  EXPECT_TRUE(lines_.empty());
  const std::unique_ptr<ObservedCall> failed = observer->begin(infer, {"a b", "", ""});
  EXPECT_TRUE(is_sane_request_id(failed->headers().at(0).value));
  failed->end({500, "INTERNAL", "it broke", 0});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(Json::parse(lines_.front()).at("answer"), "it broke");
  EXPECT_EQ(Json::parse(lines_.front()).at("level"), "error");
  EXPECT_TRUE(has_metric(R"(mlpipe_grpc_requests_total{code="NOT_FOUND",method="ModelInfer"} 1)"));
  EXPECT_FALSE(recent_->find("a b"));
}

TEST(CredentialsOf, TokensAndUsersAreCompared) {
  Credentials credentials;
  credentials.add_token("first");
  credentials.add_token("second");
  credentials.add_user("Aladdin:open sesame");
  for (const char* allowed : {"Bearer first", "bearer second", "Bearer   first ",
                              "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "BASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}) {
    EXPECT_TRUE(credentials.allow(allowed)) << allowed;
  }
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "first", "Bearer firs", "Bearer first second", "Basic first", "Basic",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxhZGRpbjpvcGVu", "Digest first", "Bearer FIRST"}) {
    EXPECT_FALSE(credentials.allow(wrong)) << wrong;
  }
  EXPECT_FALSE(Credentials().allow(""));
  EXPECT_EQ(credentials.schemes(), (std::vector<std::string>{"Bearer", "Basic"}));
}

TEST(CredentialsOf, FilesHoldAnEntryInEachLine) {
  const TemporaryDirectory folder;
  const auto written = [&](const std::string& text) {
    std::ofstream(folder.path() / "file") << text;
    return folder.path() / "file";
  };
  const Credentials tokens = read_credentials({written("one\n\n  two  \r\n"), {}});
  EXPECT_TRUE(tokens.allow("Bearer one") && tokens.allow("Bearer two"));
  EXPECT_FALSE(tokens.allow("Bearer "));
  EXPECT_TRUE(
      read_credentials({{}, written("Aladdin:open sesame\n")}).allow("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
  EXPECT_THROW(read_credentials({written(" \n"), {}}), UsageError);
  EXPECT_THROW(read_credentials({folder.path() / "none", {}}), Error);
  try {
    read_credentials({{}, written("a:b\nhush\n")});
    FAIL() << "a line without a colon was taken";
  } catch (const UsageError& fault) {
    EXPECT_EQ(std::string(fault.what()), (folder.path() / "file").string() + ":2: user:password is expected");
  }
}

TEST(Authentication, GuardsAllButWhatIsOpen) {
  Credentials credentials;
  credentials.add_token("the-token");
  credentials.add_user("a:b");
  const auto current =
      std::make_shared<Current<const Credentials>>(std::make_shared<const Credentials>(credentials));
  const Filter filter = authentication(current, health_paths());
  EXPECT_EQ(pass(filter, get("/v2/health/ready")).response.status, 200);
  EXPECT_EQ(pass(filter, get("/v2/models/x", {{"authorization", "Bearer the-token"}})).response.status, 200);
  const Passed refused = pass(filter, get("/v2/models/x", {{"authorization", "Bearer other"}}));
  EXPECT_FALSE(refused.request);
  EXPECT_EQ(refused.response.status, 401);
  EXPECT_EQ(header_in(refused.response, "WWW-Authenticate"), "Bearer realm=\"mlpipe\"");
  for (const char* path :
       {"/", "/v2/health/ready/", "/v2/health/../models", "/v2/health/live%2f", "//v2/health/live"}) {
    EXPECT_EQ(pass(filter, get(path)).response.status, 401) << path;
  }
  Credentials others;
  others.add_token("new");
  current->set(std::make_shared<const Credentials>(others));
  EXPECT_EQ(pass(filter, get("/", {{"authorization", "Bearer the-token"}})).response.status, 401);
  EXPECT_EQ(pass(filter, get("/", {{"authorization", "Bearer new"}})).response.status, 200);
}

Request preflight(const std::string& origin) {
  return {"OPTIONS", "/predict", "", {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}}, ""};
}

TEST(CrossOrigin, LetsNamedOriginsAsk) {
  const Filter filter = cross_origin({"https://a.example", "http://localhost:3000"});
  const Passed before = pass(filter, preflight("https://a.example"));
  EXPECT_FALSE(before.request);
  EXPECT_EQ(before.response.status, 204);
  EXPECT_EQ(header_in(before.response, "Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_NE(header_in(before.response, "Access-Control-Allow-Methods").find("POST"), std::string::npos);
  EXPECT_NE(header_in(before.response, "Access-Control-Allow-Headers").find("Authorization"),
            std::string::npos);
  const Passed asked = pass(filter, get("/", {{"Origin", "http://localhost:3000"}}));
  EXPECT_TRUE(asked.request);
  EXPECT_EQ(header_in(asked.response, "Access-Control-Allow-Origin"), "http://localhost:3000");
  EXPECT_EQ(header_in(asked.response, "Vary"), "Origin");
  for (const char* other : {"https://b.example", "https://a.example.evil", "null", "http://a.example"}) {
    EXPECT_EQ(header_in(pass(filter, get("/", {{"Origin", other}})).response, "Access-Control-Allow-Origin"),
              "");
    EXPECT_TRUE(pass(filter, preflight(other)).request) << "it is the router's to refuse";
  }
  EXPECT_EQ(header_in(pass(cross_origin({"*"}), get("/", {{"Origin", "https://any"}})).response,
                      "Access-Control-Allow-Origin"),
            "*");
  for (const char* wrong : {"", "a.example", "https://", "https://a.example/", "https://a b"}) {
    EXPECT_THROW(cross_origin({wrong}), UsageError) << wrong;
  }
}

}  // namespace
}  // namespace mlpipe
