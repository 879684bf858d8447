#include "pipeline/oci/remote_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/oci/reference.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t most_keys = 20'000;

// Lines of several threads, one at a time.
class Answers {
 public:
  void write(const json& answer) {
    const std::lock_guard lock(mutex_);
    write_all(STDOUT_FILENO, answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
              "the answer");
  }

 private:
  std::mutex mutex_;
};

json list_keys(Remote& remote) {
  const Remote::Keys found = remote.keys(most_keys);
  json keys = json::array();
  for (const Digest& key : found.keys) {
    keys.push_back(key.hex());
  }
  return {{"keys", std::move(keys)}, {"complete", found.complete}};
}

json pull(Remote& remote, const json& request) {
  const auto record =
      remote.get_record(result_record(Digest::from_hex(request.at("key").get<std::string>())));
  if (!record) {
    return {{"found", false}};
  }
  const fs::path to = request.at("to").get<std::string>();
  const fs::path have = request.at("have").get<std::string>();
  const fs::path blobs = to / "blobs" / "sha256";
  fs::create_directories(blobs);
  std::uint64_t bytes = 0;
  for (const RemoteBlob& blob : record->blobs) {
    std::error_code error;
    if (!fs::exists(have / blob.digest.hex(), error)) {
      remote.get_blob(blob, blobs / blob.digest.hex());
      fs::permissions(blobs / blob.digest.hex(),
                      fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
      bytes += blob.bytes;
    }
  }
  write_file_atomically(to / "mlpipe-export.jsonl", record->rows, 0644, Durability::later);
  return {{"found", true}, {"bytes", bytes}};
}

json push(Remote& remote, const json& request) {
  const std::string name = result_record(Digest::from_hex(request.at("key").get<std::string>()));
  RemoteRecord record{request.at("rows").get<std::string>(), {}};
  for (const json& item : request.at("blobs")) {
    const auto digest = parse_digest(item.at("digest").get<std::string>());
    if (!digest) {
      throw Error("a blob to be pushed has no SHA-256");
    }
    record.blobs.push_back({*digest, item.at("size").get<std::uint64_t>()});
    remote.put_blob(record.blobs.back(), item.at("path").get<std::string>());
  }
  const auto there = remote.get_record(name);
  remote.put_record(name, there ? merged(*there, record) : record);
  return json::object();
}

// Does one kind of request after another, in a thread of its own with connections of its own.
class Worker {
 public:
  using Work = std::function<json(Remote&, const json&)>;

  Worker(const std::string& url, Answers& answers, Work work)
      : remote_(open_remote(url, own_environment())), answers_(answers), work_(std::move(work)) {
    thread_ = std::thread([this] { run(); });
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void add(json request) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(request));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    while (true) {
      json request;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
        if (waiting_.empty()) {
          return;
        }
        request = std::move(waiting_.front());
        waiting_.pop_front();
      }
      answers_.write(answer(request));
    }
  }

  json answer(const json& request) {
    json answer;
    try {
      answer = work_(*remote_, request);
    } catch (const Error& error) {
      answer = {{"error", error.what()}, {"hint", error.hint()}};
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}, {"hint", ""}};
    }
    answer["did"] = request.at("do");
    if (request.contains("key")) {
      answer["key"] = request["key"];
    }
    return answer;
  }

  std::unique_ptr<Remote> remote_;
  Answers& answers_;
  Work work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<json> waiting_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

void remote_command(const std::string& url) {
  Answers answers;
  Worker reading(url, answers, [](Remote& remote, const json& request) {
    return request.at("do") == "keys" ? list_keys(remote) : pull(remote, request);
  });
  Worker writing(url, answers, push);
  for (std::string line; std::getline(std::cin, line);) {
    json request = json::parse(line, nullptr, false);
    if (!request.is_object() || !request.value("do", json()).is_string()) {
      throw UsageError("a line of the input is no request");
    }
    (request["do"] == "push" ? writing : reading).add(std::move(request));
  }
}

}  // namespace mlpipe
