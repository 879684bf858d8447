// A step that fetches a file, from a server that keeps its word and from others.
#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <thread>

#include "pipeline/base/digest.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t promised_size = 100'000;

// What the step is to fetch; long enough to be found again wherever it might have been left.
std::string content() {
  std::string text;
  while (text.size() < promised_size) {
    text += fmt::format("row {}\n", text.size());
  }
  text.resize(promised_size);
  return text;
}

class WebServer {
 public:
  WebServer() {
    server_.Get("/data.csv", [this](const httplib::Request&, httplib::Response& response) {
      ++asked_;
      response.set_content(content(), "text/csv");
    });
    server_.Get("/elsewhere/data.csv", [](const httplib::Request&, httplib::Response& response) {
      response.set_redirect("/data.csv");
    });
    server_.Get("/cut/data.csv", [](const httplib::Request&, httplib::Response& response) {
      response.set_content_provider(promised_size, "text/csv",
                                    [](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                                      constexpr std::size_t sent = 4096;
                                      return offset == 0 && sink.write(content().data(), sent);
                                    });
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    wait_until("the server listens", [this] { return server_.is_running(); });  // stop() needs that
  }
  ~WebServer() {
    server_.stop();
    thread_.join();
  }

  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}{}", port_, path); }
  int asked() const { return asked_; }

 private:
  httplib::Server server_;
  std::atomic<int> asked_ = 0;
  int port_ = 0;
  std::thread thread_;
};

class FetchStep : public testing::Test {
 protected:
  void write_pipeline(const std::string& url, const std::string& sha256) const {
    project_.pipeline(fmt::format(R"(name: fetching
steps:
  data: {{ fetch: {{ url: "{}", sha256: {} }} }}
  count:
    run: wc -c < ${{{{ steps.data.outs['data.csv'] }}}} > size; cp size @SIDE@/size
    outs: [size]
  other: {{ run: echo other >> @SIDE@/runs }}
)",
                                  url, sha256));
  }

  // The step fails and says why; what does not need it is done, and nothing of the file is kept.
  void expect_failure(const std::string& message) const {
    const Captured captured = project_.mlpipe({"run", "--json"});
    EXPECT_TRUE(exits(captured, 1));
    EXPECT_TRUE(has(captured.error, message));
    EXPECT_TRUE(has(captured.error, "    log: "));
    const Json report = Json::parse(captured.output);
    EXPECT_EQ(state_of(report, "data"), "failed");
    EXPECT_EQ(state_of(report, "count"), "blocked");
    EXPECT_EQ(project_.runs("other"), 1U);
    EXPECT_TRUE(fs::is_empty(project_.store() / "jobs"));
    project_.wait_for_removals();
    for (const auto& entry : fs::recursive_directory_iterator(project_.store())) {
      if (entry.is_regular_file() && !entry.path().filename().string().starts_with("index.sqlite")) {
        EXPECT_TRUE(has_not(read_file(entry.path()), "row 0\n")) << entry.path();
      }
    }
  }

  Project project_;
  WebServer server_;
  std::string right_ = digest_of(content()).hex();
};

TEST_F(FetchStep, BringsTheFileOnce) {
  write_pipeline(server_.url("/data.csv"), right_);
  const Captured first = project_.mlpipe({"run"});
  EXPECT_TRUE(exits(first, 0));
  EXPECT_EQ(project_.lines("size"), std::vector<std::string>{std::to_string(promised_size)});
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));
  // What the bytes are is said by the hash; where they come from does not count.
  write_pipeline(server_.url("/elsewhere/data.csv"), right_);
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));
  EXPECT_EQ(server_.asked(), 1);
}

TEST_F(FetchStep, FollowsARedirect) {
  write_pipeline(server_.url("/elsewhere/data.csv"), right_);
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
}

TEST_F(FetchStep, SaysExpectedAndGotForAWrongHash) {
  const std::string wrong(64, '0');
  write_pipeline(server_.url("/data.csv"), wrong);
  expect_failure(fmt::format("its SHA-256 is wrong: expected {}, got {}", wrong, right_));
  EXPECT_EQ(server_.asked(), 1);
  write_pipeline(server_.url("/data.csv"), right_);
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
}

TEST_F(FetchStep, SaysThatTheConnectionIsRefused) {
  const std::string url = WebServer().url("/data.csv");  // a server that has ended
  write_pipeline(url, right_);
  expect_failure("fetching " + url + ": cannot connect: Connection refused");
}

TEST_F(FetchStep, SaysThatTheBodyWasCutOff) {
  write_pipeline(server_.url("/cut/data.csv"), right_);
  expect_failure(fmt::format("the body was cut off after 4096 of {} bytes", promised_size));
  write_pipeline(server_.url("/data.csv"), right_);
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
}

TEST_F(FetchStep, SaysWhatTheServerAnswered) {
  write_pipeline(server_.url("/missing/data.csv"), right_);
  expect_failure("the server answers with HTTP status 404");
}

}  // namespace
}  // namespace mlpipe
