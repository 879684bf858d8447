// Images as steps: what of them counts, and what follows from them.
#include <gtest/gtest.h>

#include "pipeline/plan/derivation.hpp"
#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;
using Texts = std::vector<std::string>;

constexpr const char* text = R"(name: p
images:
  tools: { dockerfile: Dockerfile, context: src, target: last, args: { DEVICE: cpu } }
  other: { from: "debian:12", platform: linux/arm64 }
steps:
  use: { run: make, runs-on: container, image: tools, outs: [out] }
  next: { run: "cat ${{ steps.use.outs.out }}" }
  more: { run: look, runs-on: container, image: other }
)";

class ImagePlans : public testing::Test {
 protected:
  ImagePlans() {
    snapshot_.results = &results_;
    snapshot_.tools.architecture = "x86_64";
    snapshot_.images["tools"] = {digest_of("FROM a"), {{"a", "file:1"}, {"b", "link:a"}}};
  }
  std::string recipe(const std::string& step, const std::string& pipeline = text) const {
    const Spec spec = spec_of(pipeline);
    return recipe_of(*spec.find_step(step), snapshot_, [](const Input& input) { return input.text(); })
        .text();
  }
  Texts reasons(const std::string& step, const std::string& pipeline = text) const {
    const Spec spec = spec_of(pipeline);
    const Plan plan(spec, snapshot_);
    return plan.find(step)->reasons;
  }
  std::vector<std::string> run(const std::string& image_bytes) {
    const Spec spec = spec_of(text);
    Plan plan(spec, snapshot_);
    return run_all(plan, results_, [&](const PlannedStep& planned) {
      return planned.step->name == "images.tools" ? image_bytes : planned.step->name;
    });
  }
  static std::string with(const std::string& from, const std::string& to) {
    std::string changed = text;
    return changed.replace(changed.find(from), from.size(), to);
  }

  KnownResults results_;
  Snapshot snapshot_;
};

TEST_F(ImagePlans, ARecipeHoldsWhatIsBuiltFrom) {
  EXPECT_EQ(recipe("images.tools"),
            "mlpipe-recipe 1\n"
            "architecture 0: 6:x86_64\n"
            "arg 6:DEVICE 3:cpu\n"
            "context 1:a 6:file:1\n"
            "context 1:b 6:link:a\n"
            "dockerfile 0: 69:file:" +
                digest_of("FROM a").hex() +
                "\n"
                "kind 0: 5:image\n"
                "out 5:bases 0:\n"
                "out 5:image 0:\n"
                "target 0: 4:last\n");
  EXPECT_EQ(recipe("images.other"),
            "mlpipe-recipe 1\n"
            "kind 0: 5:image\n"
            "out 5:bases 0:\n"
            "out 5:image 0:\n"
            "platform 0: 11:linux/arm64\n"
            "reference 0: 9:debian:12\n");
}

TEST_F(ImagePlans, EqualContentAtAnotherPlaceIsTheSameImage) {
  EXPECT_EQ(recipe("images.tools"), recipe("images.tools", with("dockerfile: Dockerfile, context: src",
                                                                "dockerfile: x/D, context: y")));
}

TEST_F(ImagePlans, AStepInAContainerHangsOnItsImage) {
  EXPECT_NE(recipe("use").find("image 12:images.tools 18:images.tools/image\n"), std::string::npos);
  EXPECT_EQ(run("one"), (Texts{"images.tools", "images.other", "use", "more", "next"}));
  EXPECT_EQ(run("one"), Texts{});
  snapshot_.images["tools"].context[0].content = "file:2";
  EXPECT_EQ(reasons("images.tools"), Texts{"a changed"});
  EXPECT_EQ(reasons("use"), Texts{"after images.tools"});
  EXPECT_EQ(run("one"), Texts{"images.tools"}) << "it is the same image";
  snapshot_.images["tools"].context[0].content = "file:3";
  EXPECT_EQ(run("two"), (Texts{"images.tools", "use"})) << "it is another, and makes the same";
}

TEST_F(ImagePlans, ReasonsNameWhatChanged) {
  run("one");
  EXPECT_EQ(reasons("images.tools", with("DEVICE: cpu", "DEVICE: cuda")), Texts{"arg DEVICE: cpu → cuda"});
  EXPECT_EQ(reasons("images.tools", with("target: last, ", "")), Texts{"target removed"});
  EXPECT_EQ(reasons("images.other", with("debian:12", "debian:13")),
            Texts{"reference: debian:12 → debian:13"});
  snapshot_.images["tools"].dockerfile = digest_of("FROM b");
  snapshot_.images["tools"].context.push_back({"c", "executable:1"});
  EXPECT_EQ(reasons("images.tools"), (Texts{"c added", "dockerfile changed"}));
  snapshot_.images["tools"].dockerfile = digest_of("FROM a");
  snapshot_.images["tools"].context.pop_back();
  const Spec spec = spec_of(text);
  const Plan before(spec, snapshot_);
  results_.add(*before.find("images.tools"), "other bytes");
  EXPECT_EQ(reasons("use"), Texts{"images.tools changed"});
}

TEST_F(ImagePlans, AnImageThatIsLostIsMadeAgainWhateverTheStoreHas) {
  run("one");
  const Spec spec = spec_of(text);
  const Digest key = Plan(spec, snapshot_).find("images.tools")->action_key;
  results_.by_key.erase(key);
  results_.lost[key] = "the image is no longer in docker";
  const Plan plan(spec, snapshot_);
  EXPECT_EQ(plan.find("images.tools")->state, State::run);
  EXPECT_TRUE(plan.find("images.tools")->forced);
  EXPECT_EQ(plan.find("images.tools")->reasons, Texts{"the image is no longer in docker"});
}

}  // namespace
}  // namespace mlpipe
