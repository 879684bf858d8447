// Which steps start, in which order, and which do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "pipeline/base/text.hpp"
#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;
using Names = std::vector<std::string>;

class Scheduling : public testing::Test {
 protected:
  // The plan of a file whose steps these are.
  Plan& plan(const std::string& steps, const PlanOptions& options = {}) {
    spec_.emplace(spec_of("name: p\nparams: { on: true, off: false, n: 3 }\nsteps:\n" + steps));
    snapshot_.tools = {"x86_64", "trainer", "1", 2};
    snapshot_.results = &results_;
    return plan_.emplace(*spec_, snapshot_, options);
  }

  // Ends a running step.
  void end(const std::string& name, bool succeeded = true,
           const std::map<std::string, double>& metrics = {}) {
    const auto& steps = plan_->steps();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].step->name == name) {
        ASSERT_EQ(steps[i].state, State::running) << name;
        Result result = results_.add(steps[i], name + " bytes", succeeded);
        result.metrics = metrics;
        results_.by_key[steps[i].action_key].back() = result;
        plan_->finish(i, result);
        return;
      }
    }
    FAIL() << "there is no step " << name;
  }

  // Starts all that can.
  Names start(const Capacity& free = Capacity::unlimited()) {
    Names started;
    while (const auto index = plan_->take_ready(free)) {
      started.push_back(plan_->steps()[*index].step->name);
    }
    return started;
  }

  State state(const std::string& name) const { return plan_->find(name)->state; }
  std::string reason(const std::string& name) const { return join(plan_->find(name)->reasons, ", "); }

  KnownResults results_;
  Snapshot snapshot_;
  std::optional<Spec> spec_;
  std::optional<Plan> plan_;
};

TEST_F(Scheduling, AStepWhoseConditionDoesNotHoldIsSkippedAndWhatNeedsItToo) {
  plan(R"(  a: { run: x, if: params.off == true, outs: [o] }
  b: { run: "cat ${{ steps.a.outs.o }}" }
  c: { run: x, needs: b }
  d: { run: x, if: params.on and params.n > 2 }
  e: { run: x, if: not params.on }
)");
  EXPECT_EQ(start(), Names{"d"});
  EXPECT_EQ(state("a"), State::skipped);
  EXPECT_EQ(reason("a"), "if: params.off == true does not hold: params.off is false");
  EXPECT_EQ(reason("b"), "a was skipped");
  EXPECT_EQ(reason("c"), "b was skipped");
  EXPECT_EQ(reason("e"), "if: not params.on does not hold: params.on is true");
  end("d");
  EXPECT_FALSE(plan_->anything_to_run());
}

TEST_F(Scheduling, AConditionOnMetricsIsDecidedOnceTheyAreThere) {
  const std::string steps = R"(  a: { run: x, metrics: [m.json] }
  good: { run: x, if: steps.a.metrics.f1 > 0.5 }
  bad: { run: x, if: steps.a.metrics.f1 > 0.9 }
  none: { run: x, if: steps.a.metrics.accuracy > 0.9 }
)";
  plan(steps);
  EXPECT_EQ(start(), Names{"a"});
  EXPECT_EQ(state("good"), State::undecided);
  EXPECT_EQ(reason("good"), "after a");
  end("a", true, {{"f1", 0.7}});
  EXPECT_EQ(start(), Names{"good"});
  EXPECT_EQ(reason("bad"), "if: steps.a.metrics.f1 > 0.9 does not hold: steps.a.metrics.f1 is 0.7");
  EXPECT_EQ(state("none"), State::blocked);
  EXPECT_EQ(reason("none"),
            "if: steps.a.metrics.accuracy > 0.9: step 'a' has no metric 'accuracy', it has f1");
  end("good");
  // What is cached is known beforehand.
  plan(steps + "  after_none: { run: x, needs: none }\n");
  EXPECT_EQ(state("none"), State::blocked);
  EXPECT_EQ(state("after_none"), State::blocked);
  EXPECT_EQ(state("good"), State::cached);
  EXPECT_EQ(state("bad"), State::skipped);
}

TEST_F(Scheduling, AConditionOnAnOutcomeWaitsForTheEndHoweverItIs) {
  const std::string steps = R"(  a: { run: x }
  mend: { run: y, if: steps.a.outcome == 'failed' }
  praise: { run: z, if: steps.a.outcome == 'succeeded' }
  wants: { run: x, if: steps.a.metrics.f1 > 0.5 }
)";
  plan(steps);
  EXPECT_EQ(start(), Names{"a"});
  end("a", false);
  EXPECT_EQ(start(), Names{"mend"});
  EXPECT_EQ(state("praise"), State::skipped);
  EXPECT_EQ(reason("wants"), "a did not succeed");
  plan(steps);
  start();
  end("a");
  EXPECT_EQ(start(), Names{"praise"});
  EXPECT_EQ(state("mend"), State::skipped);
}

TEST_F(Scheduling, AConditionDoesNotCount) {
  const Digest key = plan("  a: { run: x }\n").find("a")->action_key;
  EXPECT_EQ(plan("  a: { run: x, if: params.on, retry: 3, resources: { cpu: 1, gpu: 0 }, finally: true }\n")
                .find("a")
                ->action_key,
            key);
}

TEST_F(Scheduling, AFinallyStepComesAfterAllOthersHoweverTheyEnded) {
  plan(R"(  a: { run: x }
  b: { run: y, needs: a }
  last: { run: "echo ${{ steps.a.outcome }} ${{ steps.b.outcome }}", env: { A: "${{ steps.a.outcome }}" }, finally: true }
  quiet: { run: z, finally: true, if: steps.a.outcome == 'succeeded' }
)");
  EXPECT_EQ(start(), Names{"a"});
  end("a", false);
  EXPECT_EQ(state("b"), State::blocked);
  EXPECT_EQ(start(), Names{"last"});
  const Step& last = plan_->find("last")->as_it_runs();
  EXPECT_EQ(std::get<RunAction>(last.action).arguments.front(), "echo failed blocked");
  EXPECT_EQ(last.environment.at("A"), "failed");
  EXPECT_EQ(state("quiet"), State::skipped);
}

TEST_F(Scheduling, AFinallyStepRunsAgainWhenAStepBeforeItRan) {
  const std::string steps = "  a: { run: x }\n  last: { run: y, finally: true }\n";
  plan(steps);
  start();
  end("a");
  start();
  end("last");
  EXPECT_FALSE(plan(steps).anything_to_run());
  PlanOptions force;
  force.force = {"a"};
  plan(steps, force);
  EXPECT_EQ(start(), Names{"a"});
  end("a");
  EXPECT_EQ(start(), Names{"last"});
  EXPECT_EQ(reason("last"), "finally: a succeeded");
}

TEST_F(Scheduling, AFinallyStepWithNeedsWaitsForThoseOnly) {
  plan("  a: { run: x }\n  b: { run: y }\n  last: { run: z, finally: true, needs: a }\n");
  EXPECT_EQ(start(), (Names{"a", "b"}));
  end("a", false);
  EXPECT_EQ(start(), Names{"last"});
}

TEST_F(Scheduling, OnlyFinallyStepsStartOnceItIsStopped) {
  plan(R"(  a: { run: x }
  b: { run: y }
  c: { run: z, needs: a }
  last: { run: w, finally: true }
)");
  EXPECT_EQ(*plan_->take_ready(), 0U);
  plan_->stop();
  EXPECT_EQ(start(), Names{});
  EXPECT_EQ(reason("b"), "interrupted");
  plan_->put_back(0);  // its job was not started after all
  EXPECT_EQ(state("a"), State::blocked);
  EXPECT_EQ(start(), Names{"last"});
}

constexpr const char* four =
    "  t: { run: 'echo ${{ matrix.n }}', outs: [o], matrix: { n: [1, 2, 3, 4]%s } }\n";
std::string four_with(const std::string& rules) {
  std::string text = four;
  return text.replace(text.find("%s"), 2, rules);
}

TEST_F(Scheduling, AMatrixFailsFast) {
  plan(four_with("") + "  other: { run: x }\n");
  plan_->take_ready();
  plan_->take_ready();
  end("t[n=1]", false);
  EXPECT_EQ(state("t[n=3]"), State::blocked);
  EXPECT_EQ(reason("t[n=3]"), "t[n=1] failed, and its matrix fails fast");
  EXPECT_EQ(plan_->take_unwanted(), std::vector<std::size_t>{1});
  EXPECT_TRUE(plan_->take_unwanted().empty());
  plan_->put_back(1);  // its job was not started after all
  EXPECT_EQ(state("t[n=2]"), State::blocked);
  EXPECT_EQ(start(), Names{"other"});
}

TEST_F(Scheduling, AMatrixGoesOnWhereItIsTold) {
  PlanOptions keep_going;
  keep_going.keep_going = true;
  for (const bool by_file : {true, false}) {
    plan(four_with(by_file ? ", fail-fast: false" : ""), by_file ? PlanOptions{} : keep_going);
    plan_->take_ready();
    end("t[n=1]", false);
    EXPECT_EQ(start(), (Names{"t[n=2]", "t[n=3]", "t[n=4]"}));
  }
}

TEST_F(Scheduling, NoMoreOfAMatrixRunThanAllowed) {
  plan(four_with(", max-parallel: 2") + "  other: { run: x }\n");
  EXPECT_EQ(start(), (Names{"t[n=1]", "t[n=2]", "other"}));
  end("t[n=2]");
  EXPECT_EQ(start(), Names{"t[n=3]"});
  plan_->put_back(plan_->steps().size() - 3);
  EXPECT_EQ(start(), Names{"t[n=3]"});
}

TEST_F(Scheduling, OneMoreCombinationRunsAlone) {
  const std::string gather = "  all: { run: 'cat ${{ steps.t.outs.o }}' }\n";
  plan("  t: { run: 'echo ${{ matrix.n }}', outs: [o], matrix: { n: [1, 2] } }\n" + gather);
  run_all(*plan_, results_, [](const PlannedStep& planned) { return planned.step->name; });
  plan("  t: { run: 'echo ${{ matrix.n }}', outs: [o], matrix: { n: [1, 3, 2] } }\n" + gather);
  EXPECT_EQ(start(), Names{"t[n=3]"});
  end("t[n=3]");
  EXPECT_EQ(start(), Names{"all"});
}

TEST_F(Scheduling, AMatrixIsForcedAndNamedAsAWhole) {
  const std::string steps = four_with("") + "  other: { run: x }\n";
  plan(steps);
  run_all(*plan_, results_, [](const PlannedStep& planned) { return planned.step->name; });
  PlanOptions options;
  options.force = {"t"};
  options.until = "t";
  plan(steps, options);
  EXPECT_EQ(start(), (Names{"t[n=1]", "t[n=2]", "t[n=3]", "t[n=4]"}));
  EXPECT_EQ(plan_->find("other"), nullptr);
  options.force = {"t[n=2]"};
  options.until = "t[n=2]";
  plan(steps, options);
  EXPECT_EQ(start(), Names{"t[n=2]"});
  options.force = {"t[n=9]"};
  EXPECT_THROW(plan(steps, options), UsageError);
}

TEST_F(Scheduling, WhatFitsStarts) {
  plan(R"(  big: { run: a, resources: { cpu: 3 } }
  small: { run: b, resources: { cpu: 1, memory: 1Gi } }
  card: { run: c, resources: { gpu: 2 } }
  free: { run: d }
)");
  Capacity machine{2000, std::uint64_t{1} << 30U, {"0", "1", "2"}};
  EXPECT_EQ(start(machine), (Names{"small", "card", "free"}));
  Resources wanted;
  wanted.cpu = 500;
  wanted.gpu = 2;
  const std::vector<std::string> taken = machine.take(wanted);
  EXPECT_EQ(taken, (std::vector<std::string>{"0", "1"}));
  EXPECT_FALSE(machine.fits(wanted));
  machine.give_back(wanted, taken);
  EXPECT_EQ(machine.gpus, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(machine.cpu, 2000);
}

TEST_F(Scheduling, AClusterKnowsItselfWhatFits) {
  const std::string steps = R"(  far: { run: a, runs-on: kubernetes, resources: { cpu: 64, gpu: 8 } }
  near: { run: b, needs: images }
  images: { run: c }
remote: oci://h/r
)";
  for (const bool cluster_is_full : {false, true}) {
    results_ = {};
    plan(steps);
    ASSERT_EQ(start(), (Names{"images.agent", "images.trainer", "images"}));
    for (const char* before : {"images", "images.agent", "images.trainer"}) {
      end(before);
    }
    Capacity free{2000, std::uint64_t{1} << 30U, {}};
    (cluster_is_full ? free.cluster_jobs : free.jobs) = 0;
    EXPECT_EQ(start(free), Names{cluster_is_full ? "near" : "far"});
    const Resources wanted = spec_->find_step("far")->resources;
    Capacity whole;
    EXPECT_TRUE(whole.take(wanted, RunsOn::kubernetes).empty());
    whole.give_back(wanted, {}, RunsOn::kubernetes);
    EXPECT_EQ(whole.cpu, 0);
  }
}

TEST_F(Scheduling, TheLongestWayStartsFirst) {
  plan(R"(  quick: { run: a, outs: [o] }
  after_quick: { run: "cat ${{ steps.quick.outs.o }}" }
  slow: { run: b }
  unknown: { run: c }
)");
  EXPECT_EQ(plan_->ready(), 3U);
  plan_->set_durations({{"quick", 1}, {"after_quick", 2}, {"slow", 9}});
  EXPECT_EQ(start(), (Names{"slow", "unknown", "quick"}));  // one that is not known counts as the mean, 4
  plan("  a: { run: a }\n  c: { run: c }\n  b: { run: b }\n");
  EXPECT_EQ(start(), (Names{"a", "c", "b"})) << "as in the file";
}

TEST_F(Scheduling, AHeldStepStartsAgainOnlyWhenItIsPutBack) {
  plan("  a: { run: x }\n  b: { run: y, needs: a }\n");
  const std::size_t index = *plan_->take_ready();
  plan_->hold(index);
  EXPECT_EQ(plan_->steps()[index].retries, 1U);
  EXPECT_EQ(start(), Names{});
  plan_->put_back(index);
  EXPECT_EQ(start(), Names{"a"});
  end("a");
  EXPECT_EQ(start(), Names{"b"});
}

TEST_F(Scheduling, ToolsAndSecretsCount) {
  const std::string steps = "  a: { run: x, tools: [python3], env: { T: \"${{ secrets.TOKEN }}\" } }\n";
  snapshot_.programs[{"python3", ""}] = "one";
  plan(steps);
  run_all(*plan_, results_, [](const PlannedStep&) { return "bytes"; });
  EXPECT_NE(plan_->find("a")->action->text().find("secret 1:T 12:secret:TOKEN\n"), std::string::npos);
  EXPECT_EQ(plan(steps).find("a")->state, State::cached);
  snapshot_.programs[{"python3", ""}] = "two";
  EXPECT_EQ(plan(steps).find("a")->state, State::run);
  EXPECT_EQ(reason("a"), "tool python3 changed");
}

// Steps that need each other in many ways, written in any order, give the same plan.
TEST_F(Scheduling, TheOrderOfDeclarationChangesNothing) {
  std::vector<std::string> steps = {
      "  a: { run: 'echo a > o', outs: [o] }\n",
      "  t: { run: 'cat ${{ steps.a.outs.o }} > o', outs: [o], matrix: { n: [1, 2], m: [x] } }\n",
      "  all: { run: 'cat ${{ steps.t.outs.o }}' }\n",
      "  off: { run: x, if: params.off }\n",
      "  after_off: { run: x, needs: off }\n",
      "  last: { run: 'echo ${{ steps.all.outcome }}', finally: true }\n",
      "  mend: { run: x, if: steps.a.outcome == 'failed' }\n"};
  const auto picture = [&] {
    std::string text;
    for (const std::string& step : steps) {
      text += step;
    }
    plan(text);
    std::vector<std::string> lines;
    for (const PlannedStep& planned : plan_->steps()) {
      lines.push_back(planned.step->name + " " + name_of(planned.state) + " " + join(planned.reasons, ", ") +
                      " " + planned.derivation.hex() + " " + planned.action_key.hex());
    }
    std::sort(lines.begin(), lines.end());
    return join(lines, "\n");
  };
  const std::string first = picture();
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(steps.begin(), steps.end(), random);
    ASSERT_EQ(picture(), first);
  }
}

TEST_F(Scheduling, OfFourStepsTheTwoThatAreNeededRun) {
  PlanOptions options;
  options.until = "b";
  plan(
      "  a: { run: a, outs: [o] }\n  b: { run: 'cat ${{ steps.a.outs.o }}' }\n  c: { run: c }\n  d: { run: "
      "d, needs: b }\n",
      options);
  EXPECT_EQ(run_all(*plan_, results_, [](const PlannedStep&) { return "bytes"; }), (Names{"a", "b"}));
}

}  // namespace
}  // namespace mlpipe
