#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/functional/project.hpp"

namespace mlpipe {

// A project whose pipeline publishes one of a few tiny models, chosen by the param `color`, with the metric
// `accuracy` that the param of that name gives it; and deploys it to a free port.
class ServingProject : public Project {
 public:
  // `gate` may be empty.
  explicit ServingProject(const std::string& gate = "");

  // Runs with that color (and accuracy) and expects the exit status.
  Captured run(const std::string& color, int status = 0, const std::string& accuracy = "0.9") const;
};

struct Address {
  std::string host;
  int port = 0;
};
Address address_of(const std::string& url);

// The only deployment, as `status --json` shows it.
Json status_of(const Project& project);
// What the deployment answers to one example, asked at its public port.
Json answer_of(const std::string& url);
// What mlpipe-serve answers at its admin port: "version", "loaded_at", "requests", …
Json admin_state(const Project& project, const std::string& alias = "prod");
// The mlpipe-serve processes of the project's store.
std::vector<pid_t> servers_of(const Project& project);

// Asks without pause from the moment that it is made.
class RestlessClient {
 public:
  // `body` of each request; what the tiny models take when it is empty.
  explicit RestlessClient(const std::string& url, std::string body = "");
  ~RestlessClient();
  RestlessClient(const RestlessClient&) = delete;
  RestlessClient& operator=(const RestlessClient&) = delete;

  // Waits until the next `count` answers are there.
  void wait_for_answers(std::size_t count) const;
  void stop();
  std::vector<std::string> failures() const;
  // How often it got each answer.
  std::map<std::string, std::size_t> answers() const;

 private:
  void ask_on(const Address& address, bool keep_alive);

  std::string body_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> asked_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> failures_;
  std::map<std::string, std::size_t> answers_;
  std::vector<std::thread> threads_;  // last: they use the others
};

}  // namespace mlpipe
