// mlpipe-serve itself, over sockets and signals, with libtorch and models on disk.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "pipeline/base/error.hpp"
#include "server/http/socket.hpp"
#include "tests/server/serve_process.hpp"
#include "tests/server/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* example = R"({"data": [1, 2, 3, 4]})";

class ServeProgram : public testing::Test {
 protected:
  ServeProgram() {
    for (int i = 0; i < 3; ++i) {
      write_tiny_model(model(i), i);
    }
  }
  fs::path model(int favourite) const { return folder_.path() / ("model" + std::to_string(favourite)); }

  TemporaryDirectory folder_;
};

// What a client that sends without pause has seen.
struct Seen {
  std::uint64_t answers = 0;
  std::vector<std::string> faults;
};

// Sends until told to stop, each time on a new connection when `reconnects`; version n must answer n % 3.
Seen send_without_pause(std::uint16_t port, const std::atomic<bool>& done, std::atomic<std::uint64_t>& total,
                        bool reconnects) {
  Seen seen;
  auto client = std::make_unique<WireClient>(port);
  while (!done) {
    try {
      const WireResponse response = client->post("/predict", example);
      const Json answer = Json::parse(response.body);
      if (response.status != 200 ||
          answer.at("prediction").get<int>() != std::stoi(answer.at("version").get<std::string>()) % 3) {
        seen.faults.push_back(response.body);
      }
      ++seen.answers;
      ++total;
      if (reconnects || response.header("Connection") == "close") {
        client = std::make_unique<WireClient>(port);
      }
    } catch (const std::exception& failure) {
      seen.faults.emplace_back(failure.what());
      return seen;
    }
  }
  return seen;
}

void wait_for(const std::atomic<std::uint64_t>& count, std::uint64_t more) {
  const std::uint64_t wanted = count + more;
  while (count < wanted) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Returns once the port lets nobody in any more.
void wait_until_refused(std::uint16_t port) {
  try {
    while (true) {
      const WireClient late(port);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  } catch (const Error&) {
  }
}

TEST_F(ServeProgram, AnswersWithTheScoresOfTheModel) {
  const ServeProcess server(folder_.path(), model(1), {"--version", "1"});
  const WireResponse response = post_once(server.port(), "/predict", example);
  EXPECT_EQ(response.status, 200);
  const Json answer = Json::parse(response.body);
  EXPECT_EQ(answer.at("prediction"), 1);
  EXPECT_EQ(answer.at("model"), "tiny");
  EXPECT_EQ(answer.at("version"), "1");
  EXPECT_NEAR(answer.at("scores").at("1").get<double>(), std::exp(2) / (std::exp(2) + 2), 1e-6);
  EXPECT_EQ(WireClient(server.port()).get("/v2/health/ready").status, 200);
  EXPECT_EQ(WireClient(server.admin_port()).get("/v2/health/ready").status, 200);
  EXPECT_EQ(WireClient(server.admin_port()).get("/admin/state").status, 401);
}

TEST_F(ServeProgram, NothingThatAClientSendsEndsIt) {
  const ServeProcess server(folder_.path(), model(0), {"--body-limit", "1000000"});
  const std::vector<std::pair<std::string, int>> bodies = {
      {"", 400},
      {"{", 400},
      {R"({"data": [1, 2, 3]})", 400},
      {R"({"data": [NaN, 2, 3, 4]})", 400},
      {R"({"data": [1, 2, 3, 1e39]})", 400},
      {R"({"data": [1, 2, 3, 1e999]})", 400},
      {"{\"data\": \"\xff\xfe\"}", 400},
      {R"({"data": )" + std::string(400'000, '['), 400},
      {R"({"data": )" + std::string(400'000, '[') + std::string(400'000, ']') + "}", 400},
      {std::string(2'000'000, '1'), 413},
      {std::string(1000, '\0'), 400}};
  for (const auto& [body, status] : bodies) {
    for (const char* path : {"/predict", "/v2/models/tiny/infer"}) {
      const WireResponse response = post_once(server.port(), path, body);
      EXPECT_EQ(response.status, status) << path << " " << body.substr(0, 60);
      EXPECT_FALSE(Json::parse(response.body).at("error").get<std::string>().empty());
    }
  }
  EXPECT_EQ(WireClient(server.port()).get("/nothing").status, 404);
  EXPECT_EQ(WireClient(server.port()).get("/predict").header("Allow"), "POST");
  // Values at the edge of FP32 may have no score, but they have an answer.
  EXPECT_LT(post_once(server.port(), "/predict", R"({"data": [3e38, 3e38, -3e38, 1e-45]})").status, 500);
  EXPECT_EQ(post_once(server.port(), "/predict", example).status, 200);
}

TEST_F(ServeProgram, AHundredSwitchesUnderLoadFailNoRequest) {
  const ServeProcess server(folder_.path(), model(0), {"--version", "0"});
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> total{0};
  std::vector<Seen> seen(3);
  {
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      clients.emplace_back([&, i] { seen[i] = send_without_pause(server.port(), done, total, i == 2); });
    }
    for (int version = 1; version <= 100; ++version) {
      const WireResponse response = server.load(model(version % 3), std::to_string(version));
      EXPECT_EQ(response.status, 200) << response.body;
      EXPECT_EQ(Json::parse(response.body).at("version"), std::to_string(version));
      wait_for(total, 30);
      // Once the load was answered, the new version answers.
      EXPECT_EQ(Json::parse(post_once(server.port(), "/predict", example).body).at("version"),
                std::to_string(version));
    }
    done = true;
  }
  for (const Seen& one : seen) {
    EXPECT_GT(one.answers, 0U);
    EXPECT_TRUE(one.faults.empty()) << one.faults.size() << " faults, the first: " << one.faults.front();
  }
}

TEST_F(ServeProgram, AModelThatCannotBeLoadedLeavesTheOldOneServing) {
  const ServeProcess server(folder_.path(), model(1), {"--version", "1"});
  const fs::path bad = folder_.path() / "bad";
  write_tiny_model(bad, 2);
  const std::string weights = read_file(bad / "weights.safetensors");
  const auto expect_refused = [&](const std::string& reason) {
    const WireResponse response = server.load(bad, "2");
    EXPECT_EQ(response.status, 422) << reason;
    EXPECT_FALSE(Json::parse(response.body).at("error").get<std::string>().empty());
    EXPECT_EQ(Json::parse(post_once(server.port(), "/predict", example).body).at("version"), "1") << reason;
  };
  std::string changed = weights;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  std::ofstream(bad / "weights.safetensors", std::ios::binary) << changed;
  expect_refused("changed weights");
  fs::resize_file(bad / "weights.safetensors", weights.size() / 2);
  expect_refused("cut weights");
  fs::remove(bad / "weights.safetensors");
  expect_refused("no weights");
  std::ofstream(bad / "model.yaml") << "name: [";
  expect_refused("broken model.yaml");
  fs::remove(bad / "model.yaml");
  expect_refused("no model.yaml");
  WireClient admin(server.admin_port());
  const Json state =
      Json::parse(admin.get("/admin/state", fmt::format("Authorization: Bearer {}\r\n", test_token)).body);
  EXPECT_EQ(state.at("version"), "1");
  EXPECT_EQ(state.at("load").at("state"), "failed");
}

TEST_F(ServeProgram, SigtermFinishesWhatIsUnderWayAndExitsZero) {
  for (const int number : {SIGTERM, SIGINT}) {
    ServeProcess server(folder_.path(), model(0));
    WireClient halfway(server.port());
    halfway.send("POST /predict HTTP/1.1\r\nContent-Length: 22\r\n\r\n{\"data\":");
    WireClient first(server.port());
    EXPECT_EQ(first.get("/v2/health/live").status, 200);  // both connections have been accepted
    server.signal(number);
    wait_until_refused(server.port());
    halfway.send(" [1, 2, 3, 4]}");
    const WireResponse response = halfway.receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.header("Connection"), "close");
    EXPECT_EQ(server.wait().exit_code, 0);
  }
}

TEST_F(ServeProgram, SigtermDoesNotWaitForeverForAClientThatStalls) {
  ServeProcess server(folder_.path(), model(0), {"--grace", "0.2"});
  WireClient stalled(server.port());
  stalled.send("POST /predict HTTP/1.1\r\nContent-Length: 22\r\n\r\n{");
  EXPECT_EQ(WireClient(server.port()).get("/v2/health/live").status, 200);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().exit_code, 0);
}

TEST_F(ServeProgram, AdminStopEndsIt) {
  ServeProcess server(folder_.path(), model(0));
  EXPECT_EQ(post_once(server.admin_port(), "/admin/stop", "").status, 401);
  EXPECT_EQ(server.admin_post("/admin/stop", "").status, 202);
  EXPECT_EQ(server.wait().exit_code, 0);
}

TEST_F(ServeProgram, ASocketThatIsHandedOverLosesNoConnectionInARestart) {
  const FileDescriptor socket = listen_on("127.0.0.1", 0);
  const std::uint16_t port = address_of(socket).port;
  constexpr int handed_over = 42;
  ASSERT_EQ(::dup2(socket.get(), handed_over), handed_over);
  const FileDescriptor owner(handed_over);
  const auto start = [&](int version) {
    return std::make_unique<ServeProcess>(
        folder_.path(), model(version % 3),
        std::vector<std::string>{"--version", std::to_string(version), "--listen-fd",
                                 std::to_string(handed_over)},
        std::vector<int>{handed_over});
  };
  auto server = start(0);
  EXPECT_EQ(server->port(), port);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> total{0};
  std::vector<Seen> seen(2);
  {
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      clients.emplace_back([&, i] { seen[i] = send_without_pause(port, done, total, i == 1); });
    }
    wait_for(total, 10);
    // Old and new side by side, then one after the other: clients wait in the socket's queue meanwhile.
    auto next = start(1);
    server->signal(SIGTERM);
    EXPECT_EQ(server->wait().exit_code, 0);
    server = std::move(next);
    wait_for(total, 10);
    server->signal(SIGTERM);
    EXPECT_EQ(server->wait().exit_code, 0);
    server = start(2);
    wait_for(total, 10);
    done = true;
  }
  for (const Seen& one : seen) {
    EXPECT_TRUE(one.faults.empty()) << one.faults.size() << " faults, the first: " << one.faults.front();
  }
}

TEST_F(ServeProgram, WritesItsAddressesOnceItAnswers) {
  const ServeProcess server(folder_.path(), model(0));
  const Json address = Json::parse(read_file(folder_.path() / "address.json"));
  EXPECT_EQ(address.size(), 2U);
  EXPECT_EQ(WireClient(address.at("port")).get("/v2/health/ready").status, 200);
  EXPECT_EQ(WireClient(address.at("admin_port")).get("/metrics").status, 200);
}

Captured run_streams(const fs::path& model, const std::string& framing, const std::string& input) {
  Command command;
  command.arguments = {MLPIPE_SERVE, "--model",      model.string(), "--standard-streams",
                       framing,      "--body-limit", "1024"};
  return run_and_capture(command, input);
}

TEST_F(ServeProgram, AnswersAProgramThatRunsItAsAChild) {
  const Captured lines = run_streams(model(1), "lines", std::string(example) + "\n{}\n" + example);
  EXPECT_EQ(lines.ending.exit_code, 0) << lines.error;
  std::istringstream answers(lines.output);
  std::string line;
  for (const bool is_good : {true, false, true}) {
    ASSERT_TRUE(std::getline(answers, line));
    EXPECT_EQ(Json::parse(line).contains(is_good ? "prediction" : "error"), true) << line;
  }
  EXPECT_FALSE(std::getline(answers, line));

  const auto frame = [](const std::string& text) {
    return std::string{0, 0, static_cast<char>(text.size() >> 8U), static_cast<char>(text.size() & 0xFFU)} +
           text;
  };
  const Captured frames = run_streams(model(2), "frames", frame(example) + frame(""));
  EXPECT_EQ(frames.ending.exit_code, 0) << frames.error;
  const std::size_t first = static_cast<unsigned char>(frames.output.at(2)) * 256U +
                            static_cast<unsigned char>(frames.output.at(3));
  EXPECT_EQ(Json::parse(frames.output.substr(4, first)).at("prediction"), 2);
  EXPECT_TRUE(Json::parse(frames.output.substr(8 + first)).contains("error"));
}

TEST_F(ServeProgram, MessagesThatAreTooLongOrCutOffEndAChildWithAReason) {
  const Captured longer = run_streams(model(1), "lines", std::string(2000, 'x') + "\n");
  EXPECT_EQ(longer.ending.exit_code, 1);
  EXPECT_NE(longer.error.find("longer than 1024 bytes"), std::string::npos) << longer.error;
  const Captured cut = run_streams(model(1), "frames", std::string{0, 0, 0, 9, '{'});
  EXPECT_EQ(cut.ending.exit_code, 1);
  EXPECT_NE(cut.error.find("ended within a message of 9 bytes"), std::string::npos) << cut.error;
}

TEST_F(ServeProgram, SaysWhatIsWrongWithTheCommandLine) {
  const std::string directory = model(0);
  const auto expect = [](const std::vector<std::string>& arguments, int exit_code, const std::string& words) {
    const Captured result = run_serve(arguments);
    EXPECT_EQ(result.ending.exit_code, exit_code) << result.error;
    EXPECT_NE(result.error.find(words), std::string::npos) << result.error;
  };
  expect({}, 2, "--model");
  expect({"--model", directory, "--prot", "1"}, 2, "--prot");
  expect({"--model", directory, "--port", "99999"}, 2, "--port");
  expect({"--model", directory, "--port", "0", "--listen-fd", "3"}, 2, "--listen-fd");
  expect({"--model", directory, "--listen-fd", "77"}, 2, "descriptor 77");
  expect({"--model", directory, "--port", "0", "--host", "no.such.host.invalid"}, 2, "no.such.host.invalid");
  const FileDescriptor taken = listen_on("127.0.0.1", 0);
  expect({"--model", directory, "--port", std::to_string(address_of(taken).port)}, 1, "already in use");
  expect({"--model", directory, "--port", "0", "--admin-token-file", folder_.path() / "none"}, 1, "none");
  const Captured missing = run_serve({"--model", folder_.path() / "nothing", "--port", "0"});
  EXPECT_NE(missing.ending.exit_code, 0);
  EXPECT_NE(missing.error.find("nothing"), std::string::npos) << missing.error;
}

}  // namespace
}  // namespace mlpipe
