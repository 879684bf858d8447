#include "pipeline/spec/selector.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

using Kind = Selector::Kind;

Spec spec_of(const std::string& text) {
  return read_spec("/project/pipeline.yaml", parse_yaml("pipeline.yaml", text), {});
}

TEST(Selector, IsReadAndWritten) {
  EXPECT_EQ(parse_selector("latest"), Selector{});
  EXPECT_EQ(parse_selector(" best( accuracy ) ").metric, "accuracy");
  EXPECT_FALSE(parse_selector("best(accuracy, max)").lowest);
  EXPECT_TRUE(parse_selector("best(loss,min)").lowest);
  EXPECT_EQ(parse_selector("some(3)").count, 3U);
  EXPECT_EQ(parse_selector("exact(81bc, 3f2a)").ids, (std::vector<std::string>{"3f2a", "81bc"}));
  for (const char* text :
       {"latest", "best(a.b)", "best(loss, min)", "some(3)", "only", "exact(3f2a, 81bc)", "all"}) {
    EXPECT_EQ(parse_selector(text).text(), text);
  }
}

TEST(Selector, TakesOneOrMany) {
  for (const char* one : {"latest", "best(x)", "only", "exact(3f2a)"}) {
    EXPECT_FALSE(parse_selector(one).takes_many()) << one;
  }
  for (const char* many : {"some(1)", "exact(3f2a, 81bc)", "all"}) {
    EXPECT_TRUE(parse_selector(many).takes_many()) << many;
  }
}

TEST(Selector, RefusesWhatItIsNot) {
  for (const char* text : {"",
                           "newest",
                           "best",
                           "best()",
                           "best(a, b, c)",
                           "best(a, least)",
                           "some",
                           "some(0)",
                           "some(x)",
                           "some(9999)",
                           "exact",
                           "exact()",
                           "exact(train)",
                           "exact(3f2)",
                           "exact(3F2A)",
                           "exact(3f2a, 3f2a)",
                           "only()",
                           "all(3)",
                           "best(a",
                           "latest("}) {
    EXPECT_THROW(parse_selector(text), UsageError) << text;
  }
}

TEST(Selector, OfAModelIsThatOfItsStep) {
  const std::string steps =
      "name: p\nsteps:\n  m: { run: x, outs: [o]@ }\nmodel: { name: m, from: '${{ "
      "steps.m.outs.o }}'# }\n";
  const auto selector = [&](const std::string& step, const std::string& model) {
    std::string text = steps;
    text.replace(text.find('@'), 1, step);
    text.replace(text.find('#'), 1, model);
    return spec_of(text).find_step("m")->select.text();
  };
  EXPECT_EQ(selector("", ""), "latest");
  EXPECT_EQ(selector("", ", select: best(f1)"), "best(f1)");
  EXPECT_EQ(selector(", select: best(f1)", ""), "best(f1)");
  EXPECT_EQ(selector(", select: best(f1)", ", select: best(f1)"), "best(f1)");
  EXPECT_THROW(selector(", select: best(f1)", ", select: latest"), SpecError);
  EXPECT_THROW(selector("", ", select: all"), SpecError);
  EXPECT_THROW(selector(", select: some(2)", ""), SpecError);
}

TEST(Selector, ItsParamsAreNotThoseOfTheStep) {
  const Spec spec =
      spec_of("name: p\nparams: { m: f1 }\nsteps:\n  a: { run: x, select: 'best(${{ params.m }})' }\n");
  EXPECT_EQ(spec.find_step("a")->select.metric, "f1");
  EXPECT_TRUE(spec.find_step("a")->params.empty());
  EXPECT_EQ(spec.find_step("a")->select.kind, Kind::best);
}

}  // namespace
}  // namespace mlpipe
