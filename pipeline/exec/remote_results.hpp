#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// Whether a step's results mean the same on every machine: an image is in one engine.
bool travels(const Step& step);

// Where results travel between machines, for one run. mlpipe-registry speaks with the remote, in a process
// that lives as long as this; one list at the beginning says which keys the remote has. A remote that fails
// is not asked again: the run goes on without it, after one warning, unless it is required. Used by one
// thread.
class RemoteResults {
 public:
  struct Options {
    std::string url;
    bool required = false;          // what fails is an Error
    std::filesystem::path program;  // mlpipe-registry
  };

  // The store must outlive this; without one, nothing but has() may be asked. `warn` hears a sentence.
  // Returns at once; throws Error when the program cannot be started.
  RemoteResults(Store* store, Options options, std::function<void(const std::string&)> warn);
  RemoteResults(const RemoteResults&) = delete;
  RemoteResults& operator=(const RemoteResults&) = delete;
  ~RemoteResults();

  // Whether the remote may have the key. Waits for the list, the first time.
  bool may_have(const Digest& key);
  // For certain.
  bool has(const Digest& key);
  // Begins to bring the key's results. The descriptor becomes readable (poll) when that has ended.
  FileDescriptor pull(const Digest& key);
  // Then: takes what came into the store.
  void finish_pull(const Digest& key);
  // Begins to send the key's results, in the background.
  void push(const Digest& key);
  // Gives up what is under way.
  void abandon();
  // Waits until everything is sent, or `interrupts` is above 0.
  void finish(const std::atomic<int>* interrupts);

 private:
  struct Pull {
    std::unique_ptr<TemporaryDirectory> folder;
    FileDescriptor ended;
    bool found = false;
  };

  void read_answers();
  void take_answer(const nlohmann::json& answer);
  void send(const nlohmann::json& request);
  void wait_for_keys();
  bool broken();
  void break_with(const std::string& why);
  void tell();

  Store* store_;
  Options options_;
  std::function<void(const std::string&)> warn_;
  FileDescriptor errors_;  // what the program says on standard error
  FileDescriptor socket_;  // its standard input and output
  std::optional<Process> program_;

  std::mutex mutex_;  // guards what follows, which the reading thread writes
  std::condition_variable changed_;
  bool listed_ = false;
  bool complete_ = false;
  std::set<Digest> keys_;
  std::map<Digest, Pull> pulls_;
  std::size_t pushes_ = 0;  // that have not ended
  std::string fault_;       // why the remote is not asked any more
  bool ended_ = false;      // the program has
  bool told_ = false;
  std::thread reader_;
};

}  // namespace mlpipe
