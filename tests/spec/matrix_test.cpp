#include <gtest/gtest.h>

#include "pipeline/base/text.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

Spec read(const std::string& steps, const std::vector<std::string>& set = {}) {
  return read_spec("/project/pipeline.yaml",
                   parse_yaml("pipeline.yaml", "name: p\nparams: { a: 1 }\nsteps:\n" + steps), set);
}

// "NAME: command" of each step.
std::vector<std::string> commands(const Spec& spec) {
  std::vector<std::string> found;
  for (const Step& step : spec.steps) {
    found.push_back(step.name + ": " + join(std::get<RunAction>(step.action).arguments, " | "));
  }
  return found;
}

TEST(Matrix, GivesAStepForEachCombinationInOrder) {
  const Spec spec =
      read("  t: { run: 'echo ${{ matrix.lr }} ${{ matrix.w }}', matrix: { lr: [0.1, 1e-3], w: [x, y] } }\n");
  EXPECT_EQ(commands(spec),
            (std::vector<std::string>{"t[lr=0.1,w=x]: echo 0.1 x", "t[lr=0.1,w=y]: echo 0.1 y",
                                      "t[lr=1e-3,w=x]: echo 1e-3 x", "t[lr=1e-3,w=y]: echo 1e-3 y"}));
  EXPECT_EQ(spec.groups.at("t").members.size(), 4U);
  EXPECT_TRUE(spec.groups.at("t").fail_fast);
  EXPECT_EQ(spec.steps_named("t").size(), 4U);
  EXPECT_EQ(spec.steps_named("t[lr=0.1,w=x]").size(), 1U);
  EXPECT_TRUE(spec.steps_named("t[lr=0.1]").empty());
  EXPECT_EQ(spec.steps.front().matrix, (std::map<std::string, std::string>{{"lr", "0.1"}, {"w", "x"}}));
}

// The example of GitHub Actions' documentation, with the combinations that it lists.
TEST(Matrix, IncludesAsGitHubActionsDoes) {
  const Spec spec = read(R"(  t:
    run: echo
    matrix:
      fruit: [apple, pear]
      animal: [cat, dog]
      include:
        - { color: green }
        - { color: pink, animal: cat }
        - { fruit: apple, shape: circle }
        - { fruit: banana }
        - { fruit: banana, animal: cat }
)");
  std::vector<std::string> found;
  for (const Step& step : spec.steps) {
    std::string values;
    for (const auto& [name, value] : step.matrix) {
      values += " " + name + "=" + value;
    }
    found.push_back(step.name + values);
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{
                "t[fruit=apple,animal=cat] animal=cat color=pink fruit=apple shape=circle",
                "t[fruit=apple,animal=dog] animal=dog color=green fruit=apple shape=circle",
                "t[fruit=pear,animal=cat] animal=cat color=pink fruit=pear",
                "t[fruit=pear,animal=dog] animal=dog color=green fruit=pear", "t[fruit=banana] fruit=banana",
                "t[fruit=banana,animal=cat] animal=cat fruit=banana"}));
}

TEST(Matrix, ExcludesWhatHoldsAllOfOne) {
  const Spec spec =
      read("  t: { run: echo, matrix: { a: [1, 2], b: [1, 2], exclude: [{ a: 1, b: 2 }, { a: 2 }] } }\n");
  EXPECT_EQ(spec.step_names(), std::vector<std::string>{"t[a=1,b=1]"});
  const Spec only_included = read("  t: { run: echo, matrix: { include: [{ a: 1 }, { a: 2, b: x }] } }\n");
  EXPECT_EQ(only_included.step_names(), (std::vector<std::string>{"t[a=1]", "t[a=2,b=x]"}));
}

TEST(Matrix, NamesAreGoodForFilesAndNeverShared) {
  const Spec spec = read("  t: { run: echo, matrix: { v: ['a/b', 'a-b', 'a b', '', '.', 'ä', \"'\"] } }\n");
  std::set<std::string> folders;
  for (const Step& step : spec.steps) {
    const std::string path = Input{step.name, "o"}.path();
    EXPECT_TRUE(folders.insert(path).second) << path;
    EXPECT_EQ(std::count(path.begin(), path.end(), '/'), 3) << path;
    EXPECT_EQ(path.find_first_of(" '\"[]$&;*?~"), std::string::npos) << path;
    EXPECT_TRUE(path.starts_with("inputs/t/v=")) << path;
  }
  EXPECT_EQ(folders.size(), 7U);
  const std::string longest(5000, 'x');
  const Spec long_values = read("  t: { run: echo, matrix: { v: [" + longest + "1, " + longest + "2] } }\n");
  EXPECT_NE(long_values.steps[0].name, long_values.steps[1].name);
  EXPECT_LT(long_values.steps[0].name.size(), 200U);
}

TEST(Matrix, OutputsAreAllOfThemOrOne) {
  const std::string made = "  t: { run: echo, outs: [m], matrix: { lr: [0.2, 0.1] } }\n";
  EXPECT_EQ(commands(read(made + "  all: { run: 'cat ${{ steps.t.outs.m }}' }\n")).back(),
            "all: cat inputs/t/lr=0.2/m inputs/t/lr=0.1/m");
  EXPECT_EQ(commands(read(made +
                          "  all: { run: [cat, -n, '${{ steps.t.outs.m }}', 'of ${{ steps.t.outs.m }}'] }\n"))
                .back(),
            "all: cat | -n | inputs/t/lr=0.2/m | inputs/t/lr=0.1/m | of inputs/t/lr=0.2/m inputs/t/lr=0.1/m");
  for (const char* one :
       {"steps['t[lr=0.1]'].outs.m", "steps.t[lr=0.1].outs.m", "steps.t[ lr=0.1 ].outs['m']"}) {
    const Spec spec = read(made + "  one: { run: \"cat ${{ " + one + " }}\" }\n");
    EXPECT_EQ(commands(spec).back(), "one: cat inputs/t/lr=0.1/m") << one;
    EXPECT_EQ(spec.steps.back().inputs, (std::vector<Input>{{"t[lr=0.1]", "m"}})) << one;
  }
  const Spec needing = read(made + "  n: { run: x, needs: t }\n");
  EXPECT_EQ(needing.steps.back().needs, (std::vector<std::string>{"t[lr=0.1]", "t[lr=0.2]"}));
}

TEST(Matrix, TakesValuesFromParams) {
  const std::string text = "  t: { run: 'echo ${{ matrix.v }}', matrix: { v: ['${{ params.a }}', 5] } }\n";
  EXPECT_EQ(read(text).step_names(), (std::vector<std::string>{"t[v=1]", "t[v=5]"}));
  EXPECT_EQ(read(text, {"a=7"}).step_names(), (std::vector<std::string>{"t[v=7]", "t[v=5]"}));
  EXPECT_THROW(read(text, {"a=5"}), SpecError);
}

TEST(Matrix, OutputsMayBeNamedByTheValues) {
  const Spec spec = read(
      "  t: { run: echo, outs: ['m-${{ matrix.n }}'], matrix: { n: [1, 2] } }\n"
      "  one: { run: \"cat ${{ steps.t[n=2].outs['m-2'] }}\" }\n");
  EXPECT_EQ(commands(spec).back(), "one: cat inputs/t/n=2/m-2");
}

}  // namespace
}  // namespace mlpipe
