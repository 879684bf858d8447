#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipeline/kubernetes/api.hpp"

namespace mlpipe {

// All objects of one kind in one namespace that a selector names: listed once, then followed by a stream of
// what changes. The stream is taken up where it broke off; only when the API does not remember that far is
// all listed again. Ends with its destruction, also from within what it calls.
class Watch {
 public:
  struct Listener {
    std::function<void(const nlohmann::json& object)> seen;  // new, changed, or only looked at again
    std::function<void(const std::string& name)> gone;
    std::function<void()> listed;  // what is there has been seen
    // The API refuses it, for good.
    std::function<void(const ApiAnswer&)> refused;
  };

  // `path` as in "/apis/batch/v1/namespaces/NAME/jobs"; `selector` as in "labelSelector=…", encoded.
  Watch(Api& api, std::string path, std::string selector, Listener listener);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  void list(const std::string& next_page);
  void take_list(const ApiAnswer& answer);
  void follow();
  void take_bytes(std::string_view bytes);
  void take_line(const std::string& line);
  void take_end(const ApiAnswer& answer);
  void again(bool from_the_beginning);

  Api& api_;
  std::string path_;
  std::string selector_;
  Listener listener_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::string version_;                // that the stream goes on from
  std::map<std::string, bool> names_;  // that are there; of a list under way, whether it has them
  std::string partial_;
  bool forgotten_ = false;  // the API does not remember `version_`
  int tries_ = 0;
  Http::Id stream_ = 0;
};

}  // namespace mlpipe
