#include "tests/oci/fake_registry.hpp"

#include <httplib.h>

#include <regex>

#include "pipeline/oci/reference.hpp"

namespace mlpipe {

FakeRegistry::FakeRegistry() : server_(std::make_unique<httplib::Server>()) {
  const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
    serve(request, response);
  };
  server_->Get(".*", handler);
  server_->Put(".*", handler);
  server_->Post(".*", handler);
  server_->Patch(".*", handler);
  server_->Delete(".*", handler);
  server_->set_keep_alive_timeout(1);
  port_ = server_->bind_to_any_port("127.0.0.1");
  thread_ = std::thread([this] { server_->listen_after_bind(); });
}

FakeRegistry::~FakeRegistry() {
  server_->stop();
  thread_.join();
}

std::string FakeRegistry::name() const {
  return "127.0.0.1:" + std::to_string(port_);
}

std::size_t FakeRegistry::count(const std::string& begin) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      requests.begin(), requests.end(), [&](const std::string& one) { return one.starts_with(begin); }));
}

void FakeRegistry::serve(const httplib::Request& request, httplib::Response& response) {
  const std::lock_guard lock(mutex_);
  std::string line = request.method + " " + request.target;
  for (const char* header : {"Content-Range", "Range", "Authorization"}) {
    if (request.has_header(header)) {
      line += std::string(" [") + request.get_header_value(header) + "]";
    }
  }
  requests.push_back(line);
  if (!interfere || !interfere(request, response)) {
    answer(request, response);
  }
}

void FakeRegistry::answer(const httplib::Request& request, httplib::Response& response) {
  std::smatch parts;
  if (std::regex_match(request.path, parts, std::regex("/v2/(.+)/blobs/uploads/(.*)"))) {
    answer_upload(request, response, parts[2]);
  } else if (std::regex_match(request.path, parts, std::regex("/v2/(.+)/blobs/(sha256:[0-9a-f]+)"))) {
    answer_blob(request, response, parts[2]);
  } else if (std::regex_match(request.path, parts, std::regex("/v2/(.+)/manifests/(.+)"))) {
    answer_manifest(request, response, parts[1].str() + ":" + parts[2].str());
  } else {
    response.status = 404;
  }
}

void FakeRegistry::answer_blob(const httplib::Request& request, httplib::Response& response,
                               const std::string& digest) {
  const auto blob = blobs.find(digest);
  if (blob == blobs.end()) {
    response.status = 404;
  } else if (!sends_to.empty() && request.method == "GET") {
    response.set_redirect(sends_to + request.path, 307);
  } else {
    response.set_content(blob->second, "application/octet-stream");
  }
}

void FakeRegistry::answer_manifest(const httplib::Request& request, httplib::Response& response,
                                   const std::string& name) {
  if (request.method == "PUT") {
    manifests[name] = request.body;
    response.status = 201;
  } else if (const auto found = manifests.find(name); found != manifests.end()) {
    response.set_header("Docker-Content-Digest", digest_text(digest_of(found->second)));
    response.set_content(found->second, "application/vnd.oci.image.manifest.v1+json");
  } else {
    response.status = 404;
  }
}

void FakeRegistry::answer_upload(const httplib::Request& request, httplib::Response& response,
                                 const std::string& id) {
  if (request.method == "POST") {
    if (request.has_param("mount") && blobs.contains(request.get_param_value("mount"))) {
      response.status = 201;
      return;
    }
    const std::string name = "u" + std::to_string(uploads_.size() + 1);
    uploads_[name] = "";
    response.set_header("Location", request.path + name + "?state=1");
    response.status = 202;
    return;
  }
  const auto upload = uploads_.find(id);
  if (upload == uploads_.end()) {
    response.status = 404;
    return;
  }
  if (request.method == "PATCH") {
    const std::string range = request.get_header_value("Content-Range");
    if (std::stoull(range.substr(0, range.find('-'))) != upload->second.size()) {
      response.status = 416;
      return;
    }
    upload->second += request.body;
  }
  if (request.method == "PUT") {
    const std::string content = upload->second + request.body;
    if (digest_text(digest_of(content)) != request.get_param_value("digest")) {
      response.status = 400;
      return;
    }
    blobs[request.get_param_value("digest")] = content;
    response.status = 201;
    return;
  }
  response.set_header("Location", request.path + "?state=2");
  response.set_header("Range", "0-" + std::to_string(upload->second.empty() ? 0 : upload->second.size() - 1));
  response.status = request.method == "PATCH" ? 202 : 204;
}

}  // namespace mlpipe
