#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// Reads what a builder prints and says it in one way, whichever builder it is: Docker's old one ("Step 3/9 :
// RUN …"), BuildKit with --progress plain ("#7 [build 3/5] RUN …") or buildah ("STEP 3/9: RUN …"). It looks
// at no clock: times are given. Not thread-safe.
class BuildLog {
 public:
  using Time = std::chrono::milliseconds;  // since any one moment

  // One line of the builder. Returns the lines to show for it: a step's name and instruction when it begins,
  // what it prints, its time when it ends.
  std::vector<std::string> read(std::string_view line, Time now);
  // The builder has ended.
  std::vector<std::string> end(Time now);

  // How many of the steps that are known so far have ended.
  std::size_t done() const { return done_; }
  std::size_t total() const;
  // What runs now: "RUN make"; empty: nothing is known.
  const std::string& instruction() const { return instruction_; }

  // What is to be said of a build that failed: the instruction, its last 20 lines, how it ended.
  std::vector<std::string> failure() const;

 private:
  struct Step {
    std::string label;        // "[build 3/5]"; of what is no step the whole name
    std::string instruction;  // "RUN make"; empty: it is no step of a Dockerfile
    Time begun{0};
    bool ended = false;
    std::deque<std::string> last_lines;
  };

  std::vector<std::string> read_buildkit(std::string_view line, Time now);
  std::vector<std::string> begin_step(const std::string& id, Step step, Time now);
  std::vector<std::string> end_step(Step& step, const std::string& how);
  std::vector<std::string> end_step(Step& step, Time now);
  // The step that builders without ids are at.
  Step* current();
  void keep(Step& step, const std::string& line);

  std::map<std::string, Step> steps_;          // by BuildKit's number, or by a number of our own
  std::map<std::string, std::size_t> totals_;  // steps of each stage
  std::string current_;                        // of builders without ids
  std::string failed_;                         // the step that said that it failed
  std::string instruction_;
  std::vector<std::string> words_;  // what the builder said outside of steps, the last of it
  std::size_t done_ = 0;
  bool repeats_ = false;  // BuildKit says once more what a step printed that failed
  bool cached_ = false;   // the current step's result was there
};

}  // namespace mlpipe
