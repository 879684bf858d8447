// What planner and selectors promise, whatever stores the results.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/base/text.hpp"
#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;
using Names = std::vector<std::string>;

// a → train → use → report; `train` writes other bytes each time.
std::string chain(const std::string& select) {
  return fmt::format(R"(name: p
params: {{ x: 1 }}
steps:
  a: {{ run: "echo ${{{{ params.x }}}} > a", outs: [a] }}
  train: {{ run: "fit ${{{{ steps.a.outs.a }}}}", outs: [model], select: "{}" }}
  use: {{ run: "use ${{{{ steps.train.outs.model }}}}", outs: [u] }}
  report: {{ run: "report ${{{{ steps.use.outs.u }}}}", outs: [r] }}
)",
                     select);
}

class Conformance : public testing::Test {
 protected:
  Conformance() {
    snapshot_.tools = {"x86_64", "trainer", "1", 2};
    snapshot_.dependencies["in.txt"] = {{"in.txt", digest_of("one"), false}};
    snapshot_.results = &results_;
  }

  // Runs the chain; each training writes new bytes and reports the next of `accuracies`.
  Names run(const std::string& select, const std::vector<double>& accuracies = {},
            const std::set<std::string>& force = {}) {
    const Spec spec = spec_of(chain(select));
    Plan plan(spec, snapshot_, {force, std::nullopt});
    Names ran;
    std::size_t training = 0;
    while (const auto index = plan.take_ready()) {
      const PlannedStep& planned = plan.steps()[*index];
      ran.push_back(planned.step->name);
      std::string bytes = planned.step->name;
      std::map<std::string, double> metrics;
      if (bytes == "train") {
        bytes = fmt::format("model {}", ++trained_);
        metrics["accuracy"] = training < accuracies.size() ? accuracies[training] : 0.5;
        ++training;
      } else if (planned.action) {
        bytes += planned.action_key.hex();
      }
      plan.finish(*index, results_.add(planned, bytes, true, metrics));
    }
    const PlannedStep& train = *plan.find("train");
    state_ = train.state;
    reasons_ = join(train.reasons, ", ");
    kept_ = train.kept;
    chosen_.clear();
    for (const Output& output : train.outputs("model")) {
      chosen_.push_back(output.digest);
    }
    use_state_ = plan.find("use")->state;
    return ran;
  }

  static Digest model(int training) { return digest_of(fmt::format("model {}", training)); }
  std::string id_of(int training) const {
    for (const auto& [key, results] : results_.by_key) {
      for (const Result& result : results) {
        if (const Output* output = result.find_output("model"); output && output->digest == model(training)) {
          return result_id(result).short_hex();
        }
      }
    }
    return "none";
  }

  KnownResults results_;
  Snapshot snapshot_;
  int trained_ = 0;
  // How it ended.
  State state_ = State::undecided;
  State use_state_ = State::undecided;
  std::string reasons_;
  std::string kept_;
  std::vector<Digest> chosen_;
};

const Names everything = {"a", "train", "use", "report"};
const Names nothing;

TEST_F(Conformance, TheSameRequestTwiceGivesTheSameIds) {
  const Spec spec = spec_of(chain("latest"));
  const Plan one(spec, snapshot_);
  const Plan two(spec, snapshot_);
  for (std::size_t i = 0; i < one.steps().size(); ++i) {
    EXPECT_EQ(one.steps()[i].derivation, two.steps()[i].derivation);
    EXPECT_EQ(one.steps()[i].action_key, two.steps()[i].action_key);
    EXPECT_FALSE(one.steps()[i].derivation.is_zero()) << "every id is known before anything runs";
  }
}

TEST_F(Conformance, TheFolderThatTheProjectLiesInDoesNotCount) {
  const Spec here = spec_of(chain("latest"));
  const Spec there = spec_of(chain("latest"), {}, "/another/place/file.yaml");
  EXPECT_EQ(Plan(here, snapshot_).find("report")->derivation,
            Plan(there, snapshot_).find("report")->derivation);
}

TEST_F(Conformance, TheSamePlanForAnyOrderOfDeclaration) {
  std::vector<std::string> lines = {
      "  a: { run: 'echo > a', outs: [a], deps: [in.txt] }\n",
      "  b: { run: 'cat ${{ steps.a.outs.a }} > b', outs: [b] }\n",
      "  c: { run: 'cat ${{ steps.a.outs.a }} > c', outs: [c], needs: [b] }\n",
      "  d: { run: 'cat ${{ steps.b.outs.b }} ${{ steps.c.outs.c }} > d', outs: [d] }\n"};
  std::map<std::string, std::pair<Digest, State>> first;
  std::sort(lines.begin(), lines.end());
  do {
    const Spec spec = spec_of("name: p\nsteps:\n" + join(lines, ""));
    const Plan plan(spec, snapshot_);
    std::map<std::string, std::pair<Digest, State>> found;
    for (const PlannedStep& planned : plan.steps()) {
      found[planned.step->name] = {planned.derivation, planned.state};
    }
    if (first.empty()) {
      first = found;
    }
    EXPECT_EQ(found, first);
  } while (std::next_permutation(lines.begin(), lines.end()));
}

TEST_F(Conformance, UnknownForeignAndCyclicNeedsAreRejected) {
  for (const char* steps :
       {"  a: { run: x, needs: [b] }", "  a: { run: 'cat ${{ steps.b.outs.o }}' }",
        "  a: { run: 'cat ${{ steps.b.outs.o }}' }\n  b: { run: x, outs: [p] }",
        "  a: { run: x, needs: [a] }", "  a: { run: x, needs: [b] }\n  b: { run: x, needs: [a] }",
        "  a: { run: x, outs: [o], needs: [c] }\n  b: { run: 'cat ${{ steps.a.outs.o }}' }\n"
        "  c: { run: x, needs: [b] }"}) {
    EXPECT_THROW(spec_of(std::string("name: p\nsteps:\n") + steps + "\n"), SpecError) << steps;
  }
}

TEST_F(Conformance, RenamingAFileInAFolderChangesTheKey) {
  const Spec spec = spec_of("name: p\nsteps:\n  a: { run: x, deps: [d] }\n");
  snapshot_.dependencies["d"] = {{"d/one", digest_of("1"), false}, {"d/two", digest_of("2"), false}};
  const Digest before = Plan(spec, snapshot_).find("a")->action_key;
  snapshot_.dependencies["d"][1].path = "d/zwei";
  const Digest after = Plan(spec, snapshot_).find("a")->action_key;
  EXPECT_NE(before, after);
  snapshot_.dependencies["d"][1].path = "d/two";
  EXPECT_EQ(Plan(spec, snapshot_).find("a")->action_key, before);
}

TEST_F(Conformance, WithNoResultEverySelectorRunsTheStep) {
  for (const char* select : {"latest", "best(accuracy)", "best(accuracy, min)", "only", "some(1)", "all"}) {
    results_ = {};
    EXPECT_EQ(run(select), everything) << select;
    EXPECT_EQ(state_, State::succeeded) << select;
    EXPECT_EQ(chosen_.size(), 1U);
    EXPECT_EQ(run(select), nothing) << select;
  }
  results_ = {};
  EXPECT_EQ(run("exact(3f2a)"), Names{"a"});
  EXPECT_EQ(state_, State::blocked);
  EXPECT_EQ(use_state_, State::blocked);
}

TEST_F(Conformance, ForcingTheMiddleOfANondeterministicChainRunsItAndWhatFollowsOnceEach) {
  run("latest");
  EXPECT_EQ(run("latest", {}, {"train"}), (Names{"train", "use", "report"}));
  EXPECT_EQ(chosen_, std::vector{model(2)});
  EXPECT_EQ(run("latest"), nothing);
}

TEST_F(Conformance, AWorseForcedTrainingKeepsTheOldOne) {
  run("best(accuracy)", {0.981});
  const std::string old = id_of(1);
  EXPECT_EQ(run("best(accuracy)", {0.962}, {"train"}), Names{"train"});
  EXPECT_EQ(state_, State::succeeded);
  EXPECT_EQ(kept_, "kept result " + old + " with accuracy 0.981: the new one has 0.962");
  EXPECT_EQ(chosen_, std::vector{model(1)});
  EXPECT_EQ(run("best(accuracy)", {0.981}, {"train"}), Names{"train"}) << "a tie moves nothing";
  EXPECT_EQ(run("best(accuracy)", {0.99}, {"train"}), (Names{"train", "use", "report"}));
  EXPECT_EQ(kept_, "");
  EXPECT_EQ(chosen_, std::vector{model(4)});
}

TEST_F(Conformance, ASelectorChangesNothingUpstream) {
  run("latest", {0.9});
  run("latest", {0.8}, {"train"});
  EXPECT_EQ(run("best(accuracy)"), nothing) << "the older one was followed by a run already";
  EXPECT_EQ(chosen_, std::vector{model(1)});
  EXPECT_EQ(run("best(accuracy, min)"), nothing);
  EXPECT_EQ(chosen_, std::vector{model(2)});
  EXPECT_EQ(run("all"), (Names{"use", "report"})) << "what is chosen counts for what follows";
  EXPECT_EQ(chosen_, (std::vector{model(1), model(2)}));
  EXPECT_EQ(run("latest"), nothing);
}

TEST_F(Conformance, BestOfAMetricThatNoneReportsIsBlocked) {
  run("latest");
  EXPECT_EQ(run("best(f1)"), nothing);
  EXPECT_EQ(state_, State::blocked);
  EXPECT_EQ(reasons_, "no result has the metric 'f1': they report accuracy");
  EXPECT_EQ(use_state_, State::blocked);
}

TEST_F(Conformance, SomeRunsUntilThereAreEnough) {
  EXPECT_EQ(run("some(3)"), (Names{"a", "train", "train", "train", "use", "report"}));
  EXPECT_EQ(chosen_, (std::vector{model(1), model(2), model(3)}));
  EXPECT_EQ(run("some(3)"), nothing);
  EXPECT_EQ(run("some(3)", {}, {"train"}), Names{"train"}) << "the oldest three stand for it";
  EXPECT_EQ(kept_, fmt::format("kept the results {}, {}, {}: the step has `select: some(3)`", id_of(1),
                               id_of(2), id_of(3)));
  EXPECT_EQ(run("some(4)"), (Names{"use", "report"})) << "the fourth is there";
  EXPECT_EQ(run("some(6)"), (Names{"train", "train", "use", "report"}));
}

TEST_F(Conformance, SomeSaysHowFarItIs) {
  run("latest");
  const Spec spec = spec_of(chain("some(3)"));
  const Plan plan(spec, snapshot_);
  EXPECT_EQ(plan.find("train")->state, State::run);
  EXPECT_EQ(plan.find("train")->reasons, Names{"1 of 3 results"});
}

TEST_F(Conformance, OnlyIsBlockedBySeveral) {
  run("only");
  EXPECT_EQ(run("only"), nothing);
  EXPECT_EQ(chosen_, std::vector{model(1)});
  EXPECT_EQ(run("only", {}, {"train"}), Names{"train"}) << "it was asked for, and now there are two";
  EXPECT_EQ(state_, State::blocked);
  EXPECT_EQ(reasons_, fmt::format("it has several results ({}, {}): choose with `select: exact({})`",
                                  id_of(1), id_of(2), id_of(2)));
  EXPECT_EQ(run("only"), nothing);
  EXPECT_EQ(state_, State::blocked);
  EXPECT_EQ(use_state_, State::blocked);
}

TEST_F(Conformance, ExactTakesWhatItNames) {
  run("latest");
  run("latest", {}, {"train"});
  run("latest", {}, {"train"});
  EXPECT_EQ(run("exact(" + id_of(1) + ")"), nothing);
  EXPECT_EQ(chosen_, std::vector{model(1)});
  EXPECT_EQ(run("exact(" + id_of(3) + ", " + id_of(1) + ")"), (Names{"use", "report"}));
  EXPECT_EQ(chosen_, (std::vector{model(1), model(3)})) << "by age, not as they are named";
  EXPECT_EQ(run("exact(" + id_of(1) + ", " + id_of(3) + ")"), nothing);
  EXPECT_EQ(run("exact(0000)"), nothing);
  EXPECT_EQ(state_, State::blocked);
}

TEST_F(Conformance, AllTakesEveryOneThatSucceeded) {
  run("latest");
  EXPECT_EQ(run("all"), (Names{"use", "report"})) << "an output is a folder now";
  EXPECT_EQ(run("all", {}, {"train"}), (Names{"train", "use", "report"}));
  EXPECT_EQ(chosen_, (std::vector{model(1), model(2)}));
}

TEST_F(Conformance, TheKeyOfWhatFollowsNamesTheBytesInTheOrderOfAge) {
  run("all");
  run("all", {}, {"train"});
  const Spec spec = spec_of(chain("all"));
  const Plan plan(spec, snapshot_);
  const std::vector<Field>& fields = plan.find("use")->action->fields();
  const auto input =
      std::find_if(fields.begin(), fields.end(), [](const Field& one) { return one.tag == "input"; });
  ASSERT_NE(input, fields.end());
  EXPECT_EQ(input->value, fmt::format("several file:{} file:{}", model(1).hex(), model(2).hex()));
}

TEST_F(Conformance, WhereSeveralStandTheMetricsAreTheirMeans) {
  run("some(2)", {0.5, 0.75});
  const Spec spec = spec_of(chain("some(2)"));
  const Plan plan(spec, snapshot_);
  EXPECT_EQ(plan.find("train")->metrics(), (std::map<std::string, double>{{"accuracy", 0.625}}));
}

TEST_F(Conformance, AFailureDoesNotStandForAnything) {
  const Spec spec = spec_of(chain("some(2)"));
  Plan plan(spec, snapshot_);
  const std::size_t a = *plan.take_ready();
  plan.finish(a, results_.add(plan.steps()[a], "a"));
  const std::size_t train = *plan.take_ready();
  plan.finish(train, results_.add(plan.steps()[train], "one"));
  EXPECT_EQ(plan.take_ready(), train);
  plan.finish(train, results_.add(plan.steps()[train], "two", false));
  EXPECT_EQ(plan.find("train")->state, State::failed);
  EXPECT_EQ(plan.find("use")->state, State::blocked);
  EXPECT_EQ(run("some(2)"), (Names{"train", "use", "report"})) << "the first attempt is kept";
}

}  // namespace
}  // namespace mlpipe
