#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace mlpipe {

// As much of a registry as a client needs, on a port of its own, which can be told to misbehave.
class FakeRegistry {
 public:
  FakeRegistry();
  ~FakeRegistry();

  std::string name() const;  // "127.0.0.1:PORT"
  std::string origin() const { return "http://" + name(); }

  // Is asked before anything is done; true: it has answered instead. Set before the first request.
  using Interference = std::function<bool(const httplib::Request&, httplib::Response&)>;
  Interference interfere;
  std::string sends_to;  // blobs are given by a redirect to this origin; empty: they are given

  std::map<std::string, std::string> blobs;      // by "sha256:…"
  std::map<std::string, std::string> manifests;  // by "repository:target"
  std::vector<std::string> requests;             // "PATCH /v2/… 0-99", and who asked: "[bearer t]"
  std::size_t count(const std::string& begin) const;

 private:
  void serve(const httplib::Request& request, httplib::Response& response);
  void answer(const httplib::Request& request, httplib::Response& response);
  void answer_blob(const httplib::Request& request, httplib::Response& response, const std::string& digest);
  void answer_manifest(const httplib::Request& request, httplib::Response& response, const std::string& name);
  void answer_upload(const httplib::Request& request, httplib::Response& response, const std::string& id);

  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> uploads_;
  std::thread thread_;
};

}  // namespace mlpipe
