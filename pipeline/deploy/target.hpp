#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/deploy/http.hpp"
#include "pipeline/deploy/traffic.hpp"
#include "pipeline/plan/effects.hpp"
#include "pipeline/registry/registry.hpp"

namespace mlpipe {

// What a target needs to know of a release to serve it.
struct ServedRelease {
  std::string version;              // the label that answers carry
  Digest model;                     // of the model's folder
  std::filesystem::path directory;  // the model's folder in the store
};

// For how long a candidate keeps its share of the traffic when nobody renews it.
inline constexpr std::chrono::seconds weight_lease{20};

// Where a deployment serves. The rollout's state machine is one for all (rollout.hpp); a target only carries
// it out. Every step may be repeated: a rollout that was cut off is begun again. Failures are Errors that say
// why, and leave what served before serving.
class Target {
 public:
  virtual ~Target() = default;

  virtual ServingState observe() = 0;
  // What `observe` says once everything is as it should be.
  virtual WantedServing wanted() const = 0;

  // Makes the candidate able to answer, beside what serves now and without traffic. A target whose server
  // loads releases by itself starts one here when none is running, and loads in `weigh` or `shift`.
  virtual void bring_up(const ServedRelease& candidate) = 0;
  // Gives the candidate that share of the traffic, in percent, and the rest to what serves now. A lease: the
  // target takes the share back by itself when nobody renews it for `weight_lease`, whatever became of
  // mlpipe.
  virtual void weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) = 0;
  virtual void renew_weight() = 0;
  // Since the last `weigh`.
  virtual Traffic traffic() = 0;
  // Sends the release so many requests of the target's own making, which `traffic` counts too.
  virtual void probe(const ServedRelease& release, std::size_t requests) = 0;
  // Moves all traffic to the candidate, once it is loaded, warmed up and ready. No request fails.
  virtual void shift(const ServedRelease& candidate) = 0;
  // Makes the candidate what comes back after a crash, and ends what served before.
  virtual void settle(const ServedRelease& candidate) = 0;
  // Undoes all of these: the previous release serves again, alone.
  virtual void withdraw(const ServedRelease& previous) = 0;
  // Ends the deployment: finishes what is in flight, then nothing is left running.
  virtual void stop() = 0;

  // Asks what serves, as a client does. Nothing when there is no answer.
  virtual std::optional<HttpReply> ask(const std::string& path, std::string_view json) = 0;

  // What people should know of a rollout while it goes on, a sentence at a time.
  using Say = std::function<void(const std::string&)>;
  void tell(Say say) { say_ = std::move(say); }

 protected:
  void say(const std::string& sentence) const {
    if (say_) {
      say_(sentence);
    }
  }

 private:
  Say say_;
};

}  // namespace mlpipe
