#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Answers each request on 127.0.0.1 with raw bytes, so that it can also break the protocol.
class RawServer {
 public:
  // Gets the path and how often it was asked for before; the connection is closed after the answer.
  using Answer = std::function<std::string(const std::string& path, int times_before)>;

  explicit RawServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0) {
      throw_errno("starting the test's server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}{}", port_, path); }
  int times_asked(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return asked_[path];
  }

 private:
  void serve() {
    while (true) {
      const FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) {
        return;
      }
      std::string request;
      char byte = 0;
      while (!request.ends_with("\r\n\r\n") && ::recv(connection.get(), &byte, 1, 0) == 1) {
        request += byte;
      }
      const std::vector<std::string> words = split(request.substr(0, request.find('\r')), ' ');
      const std::string path = words.size() > 1 ? words[1] : "";
      int times_before = 0;
      {
        const std::lock_guard lock(mutex_);
        times_before = asked_[path]++;
      }
      const std::string answer = answer_(path, times_before);
      static_cast<void>(::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL));
      if (answer.empty()) {  // never answers: waits until the client has gone
        static_cast<void>(::recv(connection.get(), &byte, 1, 0));
      }
    }
  }

  Answer answer_;
  FileDescriptor listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> asked_;
  std::thread thread_;  // last: it uses the others
};

std::string ok(const std::string& body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.size(),
                     body);
}

std::string redirect(const std::string& to) {
  return fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     to);
}

class FetchTest : public testing::Test {
 protected:
  std::filesystem::path output() const { return folder_.path() / "out" / "file"; }
  std::filesystem::path progress() const { return folder_.path() / "progress"; }
  FetchTest() { std::filesystem::create_directory(folder_.path() / "out"); }

  Command command(const std::string& url, const std::string& sha256,
                  std::vector<std::string> more = {}) const {
    Command command;
    command.arguments = {MLPIPE_FETCH, "--url", url, "--sha256", sha256, "--output", output().string()};
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    command.environment = Environment{{"MLPIPE_PROGRESS", progress().string()}};
    return command;
  }
  Captured fetch(const std::string& url, const std::string& content,
                 std::vector<std::string> more = {}) const {
    return run_and_capture(command(url, digest_of(content).hex(), std::move(more)));
  }
  // The sentence that a failed fetch ends with; nothing may be left of the file.
  std::string failure(const std::string& url, std::vector<std::string> more = {}) const {
    const Captured captured = fetch(url, "content", std::move(more));
    EXPECT_EQ(captured.ending.exit_code, 1) << captured.error;
    EXPECT_TRUE(nothing_is_left());
    return last_lines(captured.error, 1);
  }
  bool nothing_is_left() const { return std::filesystem::is_empty(folder_.path() / "out"); }

  TemporaryDirectory folder_;
};

TEST_F(FetchTest, KeepsAFileWithTheRightDigest) {
  const std::string content(300'000, 'x');
  RawServer server([&](const std::string&, int) { return ok(content); });
  const Captured captured = fetch(server.url("/data"), content);
  EXPECT_EQ(captured.ending.exit_code, 0) << captured.error;
  EXPECT_TRUE(captured.output.starts_with("fetched " + server.url("/data") + ": 293.0 KiB in "))
      << captured.output;
  EXPECT_EQ(captured.error, "");
  EXPECT_EQ(read_file(output()), content);
  const nlohmann::json line = nlohmann::json::parse(last_lines(read_file(progress()), 1));
  EXPECT_EQ(line.at("done"), 300'000);
  EXPECT_EQ(line.at("total"), 300'000);
  EXPECT_EQ(line.at("unit"), "B");
  EXPECT_EQ(line.at("rate_unit"), "B/s");
}

TEST_F(FetchTest, TakesABodyOfUnknownLength) {
  RawServer server([](const std::string& path, int) -> std::string {
    return path == "/empty"
               ? ok("")
               : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ncont\r\n3\r\nent\r\n0\r\n\r\n";
  });
  EXPECT_EQ(fetch(server.url("/chunks"), "content").ending.exit_code, 0);
  EXPECT_EQ(read_file(output()), "content");
  EXPECT_EQ(fetch(server.url("/empty"), "").ending.exit_code, 0);
  EXPECT_EQ(read_file(output()), "");
}

TEST_F(FetchTest, SaysExpectedAndGot) {
  RawServer server([](const std::string&, int) { return ok("other"); });
  EXPECT_EQ(failure(server.url("/x")),
            fmt::format("mlpipe-fetch: fetching {}: its SHA-256 is wrong: expected {}, got {}",
                        server.url("/x"), digest_of("content").hex(), digest_of("other").hex()));
  EXPECT_EQ(server.times_asked("/x"), 1);
}

TEST_F(FetchTest, LeavesAnOldFileAloneWhenItFails) {
  RawServer server([](const std::string&, int) { return ok("other"); });
  write_file_atomically(output(), "old");
  EXPECT_EQ(fetch(server.url("/"), "content").ending.exit_code, 1);
  EXPECT_EQ(read_file(output()), "old");
}

TEST_F(FetchTest, DoesNotRetryWhatTheServerRefuses) {
  RawServer server([](const std::string&, int) {
    return "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
  });
  EXPECT_EQ(
      failure(server.url("/gone")),
      fmt::format("mlpipe-fetch: fetching {}: the server answers with HTTP status 404", server.url("/gone")));
  EXPECT_EQ(server.times_asked("/gone"), 1);
}

TEST_F(FetchTest, RetriesWhatMayPassAndSaysSo) {
  RawServer server([](const std::string&, int times_before) -> std::string {
    return times_before == 0   ? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
           : times_before == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncon"
                               : ok("content");
  });
  const Captured captured = fetch(server.url("/x"), "content");
  EXPECT_EQ(captured.ending.exit_code, 0);
  EXPECT_EQ(captured.error,
            "mlpipe-fetch: the server answers with HTTP status 503; trying again in 500 ms\n"
            "mlpipe-fetch: the body was cut off after 3 of 7 bytes; trying again in 1.0 s\n");
  EXPECT_EQ(read_file(output()), "content");
}

TEST_F(FetchTest, GivesUpOnATruncatedBody) {
  RawServer server(
      [](const std::string&, int) { return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1234567890"; });
  EXPECT_EQ(failure(server.url("/x")),
            fmt::format(
                "mlpipe-fetch: fetching {}: the body was cut off after 10 of 100 bytes, also after 3 retries",
                server.url("/x")));
  EXPECT_EQ(server.times_asked("/x"), 4);
}

TEST_F(FetchTest, SaysWhenTheConnectionIsRefused) {
  std::string url;
  {
    RawServer server([](const std::string&, int) { return ""; });
    url = server.url("/");
  }
  EXPECT_EQ(failure(url),
            fmt::format("mlpipe-fetch: fetching {}: cannot connect: Connection refused, also after 3 retries",
                        url));
}

TEST_F(FetchTest, SaysWhenAHostDoesNotResolve) {
  const std::string text = failure("http://no-such-host.invalid/x");
  EXPECT_TRUE(
      text.starts_with("mlpipe-fetch: fetching http://no-such-host.invalid/x: its host does not resolve"))
      << text;
}

TEST_F(FetchTest, FollowsRedirectsToHttpOnly) {
  RawServer server([&](const std::string& path, int) {
    return path == "/moved"  ? redirect("/x")
           : path == "/file" ? redirect("file:///etc/passwd")
           : path == "/ftp"  ? redirect("ftp://127.0.0.1/x")
           : path == "/loop" ? redirect("/loop")
                             : ok("content");
  });
  EXPECT_EQ(fetch(server.url("/moved"), "content").ending.exit_code, 0);
  std::filesystem::remove(output());
  for (const std::string path : {"/file", "/ftp"}) {
    EXPECT_EQ(failure(server.url(path)),
              fmt::format("mlpipe-fetch: fetching {}: a redirect leads away from http and https",
                          server.url(path)));
  }
  EXPECT_EQ(failure(server.url("/loop")),
            fmt::format("mlpipe-fetch: fetching {}: more than 10 redirects", server.url("/loop")));
}

TEST_F(FetchTest, DoesNotWaitForever) {
  RawServer server([](const std::string&, int) { return ""; });
  const std::string text = failure(server.url("/x"), {"--timeout", "0.2"});
  EXPECT_TRUE(text.starts_with(fmt::format("mlpipe-fetch: fetching {}: it took too long", server.url("/x"))))
      << text;
}

TEST_F(FetchTest, LeavesNothingWhenItIsAskedToEnd) {
  RawServer server([](const std::string&, int) { return ""; });
  Process process = Process::start(command(server.url("/x"), digest_of("content").hex()));
  while (server.times_asked("/x") == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  process.send_signal(SIGTERM);
  EXPECT_EQ(process.wait().exit_code, 143);
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(FetchTest, SpeaksOfNoPassword) {
  RawServer server([](const std::string&, int) { return ok("other"); });
  std::string url = server.url("/x");
  url.insert(std::string("http://").size(), "user:secret@");
  const std::string text = failure(url);
  EXPECT_EQ(text.find("secret"), std::string::npos) << text;
  EXPECT_NE(text.find(server.url("/x")), std::string::npos) << text;
}

TEST_F(FetchTest, SaysWhereItCannotWrite) {
  RawServer server([](const std::string&, int) { return ok("content"); });
  std::filesystem::remove(folder_.path() / "out");
  const Captured captured = fetch(server.url("/x"), "content");
  EXPECT_EQ(captured.ending.exit_code, 1);
  EXPECT_EQ(captured.error, fmt::format("mlpipe-fetch: fetching {}: writing {}: No such file or directory\n",
                                        server.url("/x"), output().string()));
}

TEST_F(FetchTest, RefusesWrongArguments) {
  const std::string digest = digest_of("content").hex();
  std::vector<Command> wrong = {command("file:///etc/passwd", digest),
                                command("no url", digest),
                                command("", digest),
                                command("ftp://127.0.0.1/x", digest),
                                command("http://127.0.0.1/", "123"),
                                command("http://127.0.0.1/", digest, {"--timeout", "soon"}),
                                command("http://127.0.0.1/", digest, {"--unknown"})};
  wrong.emplace_back().arguments = {MLPIPE_FETCH};
  for (const Command& one : wrong) {
    const Captured captured = run_and_capture(one);
    EXPECT_EQ(captured.ending.exit_code, 2) << captured.error;
    EXPECT_NE(captured.error, "");
    EXPECT_TRUE(nothing_is_left());
  }
}

}  // namespace
}  // namespace mlpipe
