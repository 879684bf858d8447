#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <thread>

#include "tests/containers/image_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class GatewayImage : public ImageTest {
 protected:
  void configure(const std::string& answer) const {
    write_file_atomically(folder_.path() / "nginx.conf", fmt::format(R"(pid /tmp/nginx.pid;
events {{}}
http {{
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  access_log off;
  server {{ listen 8080; location / {{ return 200 "{}"; }} }}
}}
)",
                                                                     answer));
  }
  Arguments configured() const {
    fs::permissions(folder_.path(), fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
    return {fmt::format("--volume={}:/gateway:ro", folder_.path().string())};
  }

 private:
  TemporaryDirectory folder_;
};

TEST_F(GatewayImage, IsConfiguredForAnyEngineAndHoldsNoShell) {
  expect_safe_configuration(inspect(image("gateway")).at("Config"), "SIGQUIT");
  const std::set<std::string> all = files(image("gateway"));
  EXPECT_TRUE(all.contains("usr/sbin/nginx"));
  for (const char* shell : {"bin/sh", "usr/bin/sh", "bin/bash", "usr/bin/bash"}) {
    EXPECT_FALSE(all.contains(shell)) << shell;
  }
  EXPECT_EQ(missing_libraries(image("gateway"), "/usr/sbin/nginx"), Arguments{});
}

TEST_F(GatewayImage, ReadsItsConfigurationAgainAndEndsInPeace) {
  configure("one");
  const RunningContainer container(engine(), image("gateway"), configured(), {"-c", "/gateway/nginx.conf"});
  container.wait_until_it_answers("/");
  const auto answer = [&] { return httplib::Client("127.0.0.1", container.port()).Get("/")->body; };
  EXPECT_EQ(answer(), "one");
  configure("two");
  container.signal("HUP");
  // nginx lets its former workers answer beside the new ones until they have been told to go.
  int newest_in_a_row = 0;
  for (int round = 0; round < 600 && newest_in_a_row < 10; ++round) {
    newest_in_a_row = answer() == "two" ? newest_in_a_row + 1 : 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(newest_in_a_row, 10) << container.log();
  EXPECT_EQ(container.stop(), 0) << container.log();
}

}  // namespace
}  // namespace mlpipe
